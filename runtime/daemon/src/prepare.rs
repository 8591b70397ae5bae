//! `prepare`: builds the bundle's engines for the GPU before they are needed, as a package's installation does, and
//! whoever brings a new bundle: the cart that runs keeps the old bundle's until it is started again.

use std::io::{IsTerminal as _, Write as _};

use cartvision_engines::tensorrt::Progress;
use cartvision_engines::{Bundle, EngineError};
use cartvision_wire::ExitCode;

use crate::Ended;
use crate::cli::PrepareArgs;
use crate::config::Config;
use crate::engine::{self, Site};

pub(crate) fn prepare(args: &PrepareArgs) -> Ended {
    let config = Config::read(&args.config)?;
    let bundle = Bundle::open(&config.bundle)?;
    let Some(site) = engine::site(config.engine, &config.state_dir, &bundle, config.classifier)? else {
        tracing::info!("nothing to prepare: this cart infers on its CPU");
        return Ok(ExitCode::Fine);
    };
    let engines = build(&site)?;
    tracing::info!(engines, gpu = %site.gpu.device(), "prepared");
    Ok(ExitCode::Fine)
}

/// Builds what is not built, and shows a terminal how far it is; how many engines there are then.
pub(crate) fn build(site: &Site) -> Result<usize, EngineError> {
    let mut err = std::io::stderr();
    let tty = err.is_terminal();
    let mut progress = |model: &str, at: Progress<'_>| {
        if tty {
            // A line that is written over; whoever cannot read it loses nothing.
            _ = write!(err, "\r\x1b[K{model}: {} {}/{}", at.phase, at.step, at.steps);
            _ = err.flush();
        }
        true
    };
    let engines = site.build(&mut progress)?;
    if tty {
        _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    Ok(engines.len())
}
