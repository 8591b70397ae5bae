//! `prepare`: builds the bundle's engines for the GPU before they are needed, as a package's installation does, and
//! whoever brings a new bundle: the cart that runs keeps the old bundle's until it is started again.

use std::io::{IsTerminal as _, Write as _};

use cartvision_engines::Bundle;
use cartvision_engines::tensorrt::Progress;
use cartvision_wire::ExitCode;

use crate::Ended;
use crate::cli::PrepareArgs;
use crate::config::Config;
use crate::engine::{self, Site};
use crate::failure::Failure;

pub(crate) fn prepare(args: &PrepareArgs) -> Ended {
    let config = Config::read(&args.config)?;
    let bundle = Bundle::open(&config.bundle)?;
    let Some(mut site) = engine::site(config.engine, &config.state_dir, &bundle, config.classifier)? else {
        tracing::info!("nothing to prepare: this cart infers on its CPU");
        return Ok(ExitCode::Fine);
    };
    build(&mut site)?;
    tracing::info!(gpu = %site.gpu.device(), "prepared");
    Ok(ExitCode::Fine)
}

/// Builds what is not built or is refused, shows a terminal how far it is, and tries what there is then.
pub(crate) fn build(site: &mut Site) -> Result<(), Failure> {
    if site.load_kept(1)?.is_some() {
        return Ok(());
    }
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
    let built = site.build(&mut progress)?;
    if tty {
        _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    site.load(&built.engines, 1)?;
    site.succeeded();
    // Whoever prepares does so for the next start.
    if let Some(e) = built.unkept {
        return Err(e.into());
    }
    Ok(())
}
