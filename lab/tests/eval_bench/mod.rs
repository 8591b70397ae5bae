//! A place with a set of tiny sessions, a bundle, the program, and beside it a stand-in for `cartvisiond`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::{TempDir, tempdir};

/// Writes down how it was called, keeps to the contract of `--inputs`, and says what it was told to say.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")/..
line="$*"
while [ $# -gt 0 ]; do
    case "$1" in
        --events) events=$2 ;;
        --inputs) inputs=$2 ;;
        --zones) zones=$2 ;;
    esac
    shift
done
if [ -f "$here/waits" ]; then
    touch "$here/waiting"
    sleep 1
fi
if [ -f "$here/fails" ]; then
    cat "$here/fails" >&2
    exit "$(cat "$here/code")"
fi
if [ -f "$inputs" ]; then how=found; else how=made; echo '{}' >"$inputs.part"; mv "$inputs.part" "$inputs"; fi
named=
[ -z "$zones" ] || named=" zones: $(grep -o '^[a-z]* =' "$zones" | tr -d ' =' | tr '\n' ' ' | sed 's/ $//')"
echo "$how $line$named" >>"$here/calls"
cat "$here/says/$(basename "$events")" >"$events" 2>/dev/null || true
echo '{"frames":10}' >&2
"#;

const SESSION: &str = r#"{"format":1,"name":"NAME","generator":"by hand","seed":42,"difficulty":"easy","style":"fast",
"shopper":"fast-3","light":"noon","split":"test","duration":2.0,"fps":5,"width":64,"height":48,
"cameras":[CAMERA(left),CAMERA(right)],
"instances":[{"track":1,"id":"1","label":"label of 1","variant":0},{"track":2,"id":"2","label":"label of 2","variant":0}]}"#;
const CAMERA: &str = r#"{"name":"SIDE","file":"SIDE.mov","frames":10,
"frames_sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
"calibration":{"fx":50,"fy":50,"cx":32,"cy":24,"k1":0,"k2":0,"rotation":[1,0,0,0,1,0,0,0,1],"position":[0,0,1]}}"#;
const CATALOGUE: &str = r#"{"items":[
{"id":"1","label":"label of 1","shape":"can","size_mm":[66,66,115],"twin_of":null},
{"id":"2","label":"label of 2","shape":"can","size_mm":[66,66,115],"twin_of":"1"},
{"id":"3","label":"label of 3","shape":"box","size_mm":[66,66,115],"twin_of":null}]}"#;
/// An item is added, another one taken out that was in before; between them nothing happens.
const TRUTH: &str = r#"{"kind":"episode","episode":1,"start":0.0,"end":0.5,"acts":["shadow"],"changes":0}
{"kind":"episode","episode":0,"start":0.6,"end":1.9,"acts":["add","remove"],"changes":2}
{"kind":"added","id":"1","label":"label of 1","start":0.7,"end":0.9,"track":1,"episode":0}
{"kind":"removed","id":"2","label":"label of 2","start":1.2,"end":1.5,"track":2,"episode":0}
"#;
const ZONES: &str =
    "[zones]\nleft = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]\nright = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]\n";

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub struct Bench {
    place: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { place: tempdir().unwrap() };
        fs::create_dir(bench.path("bin")).unwrap();
        // A link, so that what lies beside it is what lies beside the program. (A copy where the place is another disk.)
        let program = Path::new(env!("CARGO_BIN_EXE_cartlab"));
        let beside = bench.path("bin/cartlab");
        fs::hard_link(program, &beside).or_else(|_| fs::copy(program, &beside).map(|_| ())).unwrap();
        bench.stand_in();
        let yolo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engines/tests/data/yolo.onnx");
        fs::write(bench.path("classes"), "person\nbottle\n").unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_cartlab"))
            .current_dir(bench.path(""))
            .arg("bundle")
            .arg("--onnx")
            .arg(yolo)
            .args(["--family", "yolo", "--classes", "classes", "--items", "bottle=1"])
            .args(["--name", "standard", "--out", "bundle"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let film = |pattern: &str, file: &str| {
            let graph = format!(
                "videotestsrc pattern={pattern} num-buffers=10 ! video/x-raw,format=I420,width=64,height=48,framerate=5/1 \
                 ! jpegenc ! qtmux ! filesink location={}",
                bench.path(file).display()
            );
            let ran =
                Command::new("gst-launch-1.0").arg("-q").args(graph.split_whitespace()).output().unwrap();
            assert!(ran.status.success(), "{}", text(&ran.stderr));
        };
        film("ball", "left.mov");
        film("smpte", "right.mov");
        fs::create_dir(bench.path("says")).unwrap();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn stand_in(&self) {
        let program = self.path("bin/cartvisiond");
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A set of one session, nothing that was made before, and a stand-in that works.
    pub fn fresh(&self) {
        for old in ["set", "report", "cache", "none"] {
            _ = fs::remove_dir_all(self.path(old));
        }
        for old in ["fails", "code", "calls", "other", "waits", "waiting", "says/a-1.jsonl"] {
            _ = fs::remove_file(self.path(old));
        }
        self.stand_in();
        self.sessions("set", &["a-1"]);
    }

    /// A set of sessions that differ in their names, and in their videos by a few bytes at the end.
    pub fn sessions(&self, set: &str, names: &[&str]) {
        let camera = |side: &str| CAMERA.replace("SIDE", side);
        for name in names {
            let place = self.path(set).join(name);
            fs::create_dir_all(&place).unwrap();
            let session =
                SESSION.replace("CAMERA(left)", &camera("left")).replace("CAMERA(right)", &camera("right"));
            fs::write(place.join("session.json"), session.replace("NAME", name)).unwrap();
            fs::write(place.join("catalogue.json"), CATALOGUE).unwrap();
            fs::write(place.join("truth.jsonl"), TRUTH).unwrap();
            fs::write(place.join("boxes.jsonl"), "").unwrap();
            fs::write(place.join("zones.toml"), ZONES).unwrap();
            for side in ["left.mov", "right.mov"] {
                // A box that players pass over.
                let mut video = fs::read(self.path(side)).unwrap();
                let note = [name.as_bytes(), b"-", side.as_bytes()].concat();
                video.extend((8 + note.len() as u32).to_be_bytes());
                video.extend(*b"free");
                video.extend(note);
                fs::write(place.join(side), video).unwrap();
            }
        }
    }

    /// What the cart says in a session: type, item and moment, milliseconds.
    pub fn says(&self, session: &str, events: &[(&str, &str, u64)]) {
        let line = |(n, (kind, item, at)): (usize, &(&str, &str, u64))| {
            format!(
                r#"{{"id":"{session}-{n}","type":"cartvision.item.{kind}.v1","subject":"s","data":{{"item":{{"kind":"catalogue","id":"{item}","label":"label of {item}"}},"quantity":1,"confidence":0.9,"decided_by":"edge","media_time_ms":{at},"decided_media_time_ms":{at}}}}}"#
            ) + "\n"
        };
        let lines: String = events.iter().enumerate().map(line).collect();
        fs::write(self.path("says").join(format!("{session}.jsonl")), lines).unwrap();
    }

    /// The truth itself.
    pub fn all_right(&self, sessions: &[&str]) {
        for session in sessions {
            self.says(session, &[("added", "1", 900), ("removed", "2", 1_500)]);
        }
    }

    pub fn fails(&self, code: i32, words: &str) {
        fs::write(self.path("fails"), words).unwrap();
        fs::write(self.path("code"), code.to_string()).unwrap();
    }

    pub fn replace(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert!(text.contains(old), "{old:?} is in {file}");
        fs::write(self.path(file), text.replace(old, new)).unwrap();
    }

    /// How the stand-in was called since the last time that was asked.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        _ = fs::remove_file(self.path("calls"));
        calls.lines().map(str::to_owned).collect()
    }

    /// The program in this place, without what the surroundings might tell it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("bin/cartlab"));
        command.current_dir(self.path("")).arg("eval").args(arguments);
        command.env_remove("XDG_CACHE_HOME").env_remove("HOME").env("PATH", "/usr/bin:/bin");
        command
    }

    pub fn eval(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}
