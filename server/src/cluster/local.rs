//! All processes of a count on this machine, for trying out: starts them, and starts all again
//! when one has failed, as a supervisor does.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::key::KeyFile;
use crate::signals::Signals;

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long they may take to end.
const END_MAX: Duration = Duration::from_secs(20);

/// How long a failure is rested from before all start again.
const REST: Duration = Duration::from_secs(1);

/// Runs `processes` of this program with its own arguments until a signal or until all have ended
/// well. Process I serves on the port of `listen` plus I. All get one key, made if need be, and one
/// secret, unless they have one already.
pub fn run(
    processes: u16,
    listen: SocketAddr,
    key: &KeyFile,
    has_secret: bool,
) -> anyhow::Result<()> {
    key.open_or_make()?;
    let program = std::env::current_exe().context("could not find this program")?;
    let mut own = for_children(std::env::args_os().skip(1));
    // Nobody else can have made it, or look into it; it goes with its name.
    let directory = own_directory().context("could not make a directory for the host file")?;
    let hosts = directory.path().join("hosts");
    if !has_secret {
        let secret = directory.path().join("secret");
        write_secret(&secret).with_context(|| format!("could not write '{}'", secret.display()))?;
        own.extend(["--cluster-secret".into(), secret.into()]);
    }
    let stop = stop_at_signals()?;
    loop {
        std::fs::write(&hosts, free_addresses(processes)?)
            .with_context(|| format!("could not write '{}'", hosts.display()))?;
        let mut children = Children(Vec::new());
        for process in 0..processes {
            let mut address = listen;
            if listen.port() != 0 {
                address.set_port(listen.port() + process);
            }
            let child = Command::new(&program)
                .args(&own)
                .args(["-p", &process.to_string(), "--listen", &address.to_string()])
                .arg("--hostfile")
                .arg(&hosts)
                // In the environment, since it may be among what was typed, too.
                .env("TALLYFLOW_KEY", &key.path)
                .spawn();
            children.0.push(child.context("could not start a process")?);
        }
        let failed = children.wait(&stop)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some((process, status)) = failed else {
            return Ok(());
        };
        tracing::error!(process, %status, "a process has ended; all start again");
        thread::sleep(REST);
    }
}

/// A fresh directory of this user's alone, which is removed at the end.
fn own_directory() -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("tallyflow-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
}

/// Makes a secret for the processes of this run.
fn write_secret(path: &Path) -> io::Result<()> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", blake3::Hash::from_bytes(bytes).to_hex())
}

/// What was typed, without what each process gets for itself.
fn for_children(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut own = Vec::new();
    let mut skips = false;
    for argument in typed {
        let text = argument.to_string_lossy();
        let is_listen = text == "--listen";
        if !skips && !is_listen && text != "--local-cluster" && !text.starts_with("--listen=") {
            own.push(argument);
        }
        skips = !skips && is_listen;
    }
    own
}

/// Addresses on loopback that are free now, one a line.
fn free_addresses(processes: u16) -> anyhow::Result<String> {
    let bind = |_| TcpListener::bind("127.0.0.1:0");
    let listeners: std::io::Result<Vec<TcpListener>> = (0..processes).map(bind).collect();
    let mut lines = String::new();
    for listener in listeners.context("could not find free ports")? {
        lines.push_str(&format!("{}\n", listener.local_addr()?));
    }
    Ok(lines)
}

fn stop_at_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let signals = runtime.block_on(async { Signals::listen() });
    let mut signals = signals.context("could not listen for signals")?;
    let listen = move || {
        runtime.block_on(signals.next());
        told.store(true, Ordering::Relaxed);
    };
    thread::Builder::new()
        .name("signals".to_string())
        .spawn(listen)
        .context("could not start a thread")?;
    Ok(stop)
}

/// The processes; whatever happens, none outlives this one.
struct Children(Vec<Child>);

impl Children {
    /// Waits until one has failed, or all have ended well, and then for all others; the first
    /// that has failed is given.
    fn wait(&mut self, stop: &AtomicBool) -> anyhow::Result<Option<(usize, ExitStatus)>> {
        let mut failed = None;
        let mut end_by = None;
        loop {
            let mut running = 0;
            for (process, child) in self.0.iter_mut().enumerate() {
                match child.try_wait()? {
                    None => running += 1,
                    Some(status) if !status.success() => {
                        failed.get_or_insert((process, status));
                    }
                    Some(_) => {}
                }
            }
            if running == 0 {
                return Ok(failed);
            }
            if end_by.is_none() && (failed.is_some() || stop.load(Ordering::Relaxed)) {
                end_by = Some(Instant::now() + END_MAX);
                self.terminate();
            }
            if end_by.is_some_and(|end_by| Instant::now() > end_by) {
                self.kill();
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn terminate(&self) {
        for child in &self.0 {
            // One that has ended cannot be told to.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
        }
    }

    fn kill(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.kill();
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_look_at_the_secret_of_a_run_and_nothing_of_it_stays() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let directory = own_directory().unwrap();
        let other = own_directory().unwrap();
        assert_ne!(directory.path(), other.path());
        assert_eq!(mode(directory.path()), 0o700);
        let secret = directory.path().join("secret");
        write_secret(&secret).unwrap();
        assert_eq!(mode(&secret), 0o600);
        assert!(super::super::ClusterSecret::read(&secret).is_ok());
        let text = std::fs::read_to_string(&secret).unwrap();
        assert_eq!(text.trim().len(), 64);
        // One that is there already is not written over.
        assert!(write_secret(&secret).is_err());
        drop(directory);
        assert!(!secret.exists());
    }

    #[test]
    fn each_process_gets_what_was_typed_but_its_own_address() {
        let typed = "-n 2 --listen 127.0.0.1:9000 --local-cluster -w 2 --listen=[::1]:1 --topic x";
        let own = for_children(typed.split(' ').map(OsString::from));
        let expected: Vec<OsString> = "-n 2 -w 2 --topic x"
            .split(' ')
            .map(OsString::from)
            .collect();
        assert_eq!(own, expected);
    }
}
