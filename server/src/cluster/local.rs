//! All processes of a count on this machine, for trying out: starts them, and starts all again
//! when one has failed, as a supervisor does.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::cli::Args;
use crate::key::KeyFile;
use crate::memory::{Limits, MEMORY_MIN};
use crate::plan::Plan;
use crate::signals::Signals;

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long they may take to end.
const END_MAX: Duration = Duration::from_secs(20);

/// How the names of manifests begin.
const MANIFEST: &str = "manifest-";

/// How long a failure is rested from before all start again.
const REST: Duration = Duration::from_secs(1);

/// Runs `processes` of this program with its own arguments until a signal or until all have ended
/// well. Process I serves on the port of `listen` plus I. All get one key, made if need be, and one
/// secret, unless they have one already.
pub fn run(args: &Args, plan: &Plan) -> anyhow::Result<()> {
    let (processes, listen, key) = (args.processes, args.listen, &plan.key);
    if !args.recount {
        refuse_to_make_another(key, &plan.checkpoints)?;
    }
    key.open_or_make()?;
    let program = std::env::current_exe().context("could not find this program")?;
    let mut own = for_children(std::env::args_os().skip(1));
    // Nobody else can have made it, or look into it; it goes with its name.
    let directory = own_directory().context("could not make a directory for the host file")?;
    let hosts = directory.path().join("hosts");
    if args.cluster_secret.is_none() {
        let secret = directory.path().join("secret");
        write_secret(&secret).with_context(|| format!("could not write '{}'", secret.display()))?;
        own.extend(["--cluster-secret".into(), secret.into()]);
    }
    let memory_max = memory_of_each(args);
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
                .envs(memory_max.iter().map(|each| ("TALLYFLOW_MEMORY_MAX", each)))
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

/// What each process may use of what the system allows all of them, where nothing was asked for.
fn memory_of_each(args: &Args) -> Option<String> {
    if args.memory_max.is_some() {
        return None;
    }
    let all = Limits::find(None).resident?;
    let each = all / u64::from(args.processes);
    Some(each.max(MEMORY_MIN).to_string())
}

/// Ends a start that would make a key while checkpoints were made with one that is gone.
fn refuse_to_make_another(key: &KeyFile, checkpoints: &str) -> anyhow::Result<()> {
    let is_manifest = |name: &str| name.starts_with(MANIFEST);
    let mut names = std::fs::read_dir(checkpoints)
        .into_iter()
        .flatten()
        .flatten();
    let has_some = names.any(|entry| entry.file_name().to_str().is_some_and(is_manifest));
    anyhow::ensure!(
        key.path.exists() || !has_some,
        "there is no key at '{}', and the checkpoints in {checkpoints} were made with one: put it \
         back, or name it with --key FILE; without it, start once with --recount, which counts the \
         log from its beginning under a new key",
        key.path.display()
    );
    Ok(())
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
    fn no_key_is_made_in_the_place_of_one_that_checkpoints_have() {
        let temp = tempfile::tempdir().unwrap();
        let key = KeyFile {
            path: temp.path().join("key"),
            is_made: true,
            is_default: true,
        };
        let checkpoints = temp.path().join("checkpoints");
        let checkpoints = checkpoints.to_str().unwrap();
        refuse_to_make_another(&key, checkpoints).unwrap();
        std::fs::create_dir(checkpoints).unwrap();
        refuse_to_make_another(&key, checkpoints).unwrap();
        std::fs::write(Path::new(checkpoints).join("manifest-1.json"), "{}").unwrap();
        let error = refuse_to_make_another(&key, checkpoints).unwrap_err();
        assert!(error.to_string().contains("put it back"), "{error}");
        key.open_or_make().unwrap();
        refuse_to_make_another(&key, checkpoints).unwrap();
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
