//! What the driver has started never outlives it, not even when the driver is killed.
//!
//! A shell waits on a pipe from here. It hears which processes there are; when the pipe closes,
//! which the kernel sees to however this process ends, it kills those that are left.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

/// Hears `+ PID` and `- PID`, and the end.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
all=""
while read -r sign pid; do
    if [ "$sign" = + ]; then
        all="$all $pid"
    else
        rest=""
        for each in $all; do [ "$each" = "$pid" ] || rest="$rest $each"; done
        all="$rest"
    fi
done
[ -z "$all" ] || kill -9 $all
"#;

/// Holds processes.
pub struct Leash {
    shell: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Leash {
    /// A leash that holds nothing yet.
    pub fn new() -> anyhow::Result<Leash> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("starting the shell that ends what the driver started")?;
        let pipe = Mutex::new(shell.stdin.take());
        Ok(Leash { shell, pipe })
    }

    /// Holds a process.
    pub fn hold(&self, pid: u32) -> anyhow::Result<()> {
        self.say('+', pid)
    }

    /// Lets go of one that has ended, since its number may become another's.
    pub fn release(&self, pid: u32) -> anyhow::Result<()> {
        self.say('-', pid)
    }

    fn say(&self, sign: char, pid: u32) -> anyhow::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = pipe.as_mut().context("the leash is let go")?;
        writeln!(pipe, "{sign} {pid}").context("telling the shell of a process")
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        let pipe = self.pipe.get_mut();
        drop(pipe.unwrap_or_else(PoisonError::into_inner).take());
        // It ends once the pipe is closed.
        let _ = self.shell.wait();
    }
}
