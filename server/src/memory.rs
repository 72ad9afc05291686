//! How much memory the service may use, and what it does at that: it takes no more votes.
//!
//! ```text
//!  --memory-max, the control group's limit ──┐
//!  the limit of the address space ───────────┴─▶ a thread that looks ──▶ Memory ─┬─ POST: 507
//!                                                    │                           └─ reading from
//!                                                    ▼                              Kafka pauses
//!                                        a warning, three metrics
//! ```
//!
//! What is in the embedded log is always counted: it was acknowledged, and POST has bounded it.
//!
//! Non-guarantee: between two looks a few megabytes may come, and a start needs some for a while;
//! so a limit that is taken from the system is a reserve below it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::gauge;
use rustix::process::{Resource, getrlimit};

use crate::warnings::Warnings;

/// How often the memory in use is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of a limit must be free again before votes are taken: a twentieth.
const FREE_AGAIN: u64 = 20;

/// How much of a limit of the system is left to what cannot wait: a tenth of it, and no less than
/// [`RESERVE_MIN`].
const RESERVE: u64 = 10;

/// What a tick and the rows of a checkpoint take for a while, at the most; but of a small limit
/// only a third is left to them.
const RESERVE_MIN: u64 = 256 << 20;

/// What a thread's stack takes of the address space.
const STACK_BYTES: u64 = 2 << 20;

/// The smallest limit: a service that has counted nothing needs this much.
pub const MEMORY_MIN: u64 = 64 << 20;

/// The code of the warning.
const CODE: &str = "memory";

/// A handle on whether there is room; clones share it. By default there is always.
#[derive(Clone, Default)]
pub struct Memory {
    full: Arc<AtomicBool>,
    /// Called when there is room again.
    wakers: Arc<Mutex<Vec<Waker>>>,
}

type Waker = Box<dyn Fn() + Send>;

/// What may be used, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of memory.
    pub resident: Option<u64>,
    /// Of the address space.
    pub size: Option<u64>,
}

/// What is used, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Used {
    resident: u64,
    /// Of the address space, without what the allocator has only reserved: it reserves a gigabyte
    /// at a time where it can, and less where it cannot.
    size: u64,
}

impl Limits {
    /// What was asked for, or else what the system allows less a reserve; where neither says
    /// anything there is no limit.
    pub fn find(asked: Option<u64>) -> Limits {
        Limits {
            resident: asked.or_else(|| group_limit().map(less_reserve)),
            size: getrlimit(Resource::As).current.map(less_reserve),
        }
    }

    fn are_reached(&self, used: Used, part: impl Fn(u64) -> u64) -> bool {
        let reached =
            |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used >= part(limit));
        reached(used.resident, self.resident) || reached(used.size, self.size)
    }
}

fn less_reserve(bytes: u64) -> u64 {
    bytes - (bytes / RESERVE).max(RESERVE_MIN.min(bytes / 3))
}

impl Memory {
    /// Begins to look, where there is a limit.
    pub fn watch(&self, limits: Limits, warnings: Warnings) -> std::io::Result<()> {
        if limits == Limits::default() {
            return Ok(());
        }
        let text = limits.text();
        tracing::info!(limit = text, "memory is limited");
        let memory = self.clone();
        let watch = move || {
            loop {
                if let Some(used) = used() {
                    memory.look(used, limits, &warnings, &text);
                }
                thread::sleep(LOOK_EVERY);
            }
        };
        // It ends with the process: it holds nothing that anybody waits for.
        let thread = thread::Builder::new().name("memory".to_string());
        thread.spawn(watch).map(|_| ())
    }

    /// Whether no more votes may be taken.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Has somebody called, from any thread, when there is room again.
    pub fn on_room(&self, wake: impl Fn() + Send + 'static) {
        self.wakers().push(Box::new(wake));
    }

    fn look(&self, used: Used, limits: Limits, warnings: &Warnings, text: &str) {
        gauge!("tallyflow_memory_bytes").set(used.resident as f64);
        if let Some(limit) = limits.resident {
            gauge!("tallyflow_memory_max_bytes").set(limit as f64);
        }
        let was_full = self.is_full();
        let full = match was_full {
            false => limits.are_reached(used, |limit| limit),
            true => limits.are_reached(used, |limit| limit - limit / FREE_AGAIN),
        };
        gauge!("tallyflow_memory_full").set(f64::from(u8::from(full)));
        self.full.store(full, Ordering::Relaxed);
        if full && !was_full {
            warnings.raise(
                CODE,
                format!(
                    "memory is used up to its limit ({text}): results are served, and no more \
                     votes are taken until there is room; raise --memory-max or the limit of the \
                     system"
                ),
            );
        } else if was_full && !full {
            warnings.clear(CODE);
            self.wakers().iter().for_each(|wake| wake());
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        // A list is whole whoever panicked while holding it.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    fn text(&self) -> String {
        let of = |limit: Option<u64>, what| limit.map(|it| format!("{} MiB{what}", it >> 20));
        let texts = [of(self.resident, ""), of(self.size, " of address space")];
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        texts.join(", ")
    }
}

/// What this process uses now; `None` where the system does not say.
fn used() -> Option<Used> {
    read_used(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The same by the process's status as Linux gives it.
fn read_used(status: &str) -> Option<Used> {
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let kib = |name| Some(number(name)? << 10);
    let (size, data) = (kib("VmSize:")?, kib("VmData:")?);
    let stacks = number("Threads:")? * STACK_BYTES;
    let needed = size.saturating_sub(data) + (kib("RssAnon:")? + stacks).min(data);
    Some(Used {
        resident: kib("VmRSS:")?,
        size: needed,
    })
}

/// The smallest limit of the control groups that this process is in.
fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_below(Path::new("/sys/fs/cgroup"), &groups)
}

/// The same, with the groups as the system lists them and their files below `root`: a file of the
/// group or of one that holds it, in either of the two layouts. In a container the group's own
/// path may not be there, and `root` is the group.
fn limit_below(root: &Path, groups: &str) -> Option<u64> {
    let mut smallest = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (base, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            it if it.split(',').any(|it| it == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let limit = std::fs::read_to_string(base.join(group).join(file));
            let limit = limit.ok().and_then(|text| text.trim().parse::<u64>().ok());
            // Without a limit one layout says "max", and the other some number beyond any memory.
            let limit = limit.filter(|bytes| (1..1 << 60).contains(bytes));
            smallest = smallest.into_iter().chain(limit).min();
        }
    }
    smallest
}

/// Reads `4GiB`, `512 MiB`, `2G`, or a number of bytes.
pub fn parse_bytes(typed: &str) -> Result<u64, String> {
    let form = || "write it as 512MiB or 4GiB".to_string();
    let typed = typed.trim();
    let digits = typed
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(typed.len());
    let (number, unit) = typed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| form())?;
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" | "m" => 1 << 20,
        "GiB" | "G" | "g" => 1 << 30,
        "TiB" | "T" | "t" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(form()),
    };
    let bytes = number.checked_mul(unit).ok_or_else(form)?;
    if bytes < MEMORY_MIN {
        return Err(format!("at least {}MiB", MEMORY_MIN >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (typed, bytes) in [
            ("67108864", 64 << 20),
            ("64MiB", 64 << 20),
            ("512 MiB", 512 << 20),
            ("2G", 2 << 30),
            ("4GiB", 4 << 30),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(parse_bytes(typed), Ok(bytes), "{typed}");
        }
        for typed in [
            "",
            "GiB",
            "-1",
            "1.5GiB",
            "1 gb",
            "0",
            "63MiB",
            "99999999999TiB",
        ] {
            assert!(parse_bytes(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn the_smallest_limit_of_a_group_and_of_those_around_it_holds() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = |groups: &str| limit_below(root.path(), groups);
        assert_eq!(found("0::/a/b\n"), None);
        write("a/b/memory.max", "max\n");
        assert_eq!(found("0::/a/b\n"), None);
        write("a/memory.max", "1073741824\n");
        assert_eq!(found("0::/a/b\n"), Some(1 << 30));
        write("a/b/memory.max", "536870912\n");
        assert_eq!(found("0::/a/b\n"), Some(512 << 20));
        // In a container: the path is the host's, and what is here is the group itself.
        write("memory.max", "268435456\n");
        assert_eq!(found("0::/elsewhere/c\n"), Some(256 << 20));
        let older = "5:devices:/x\n4:memory:/x\n3:cpuset:/\n";
        assert_eq!(found(older), None);
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(found(older), None);
        write("memory/x/memory.limit_in_bytes", "134217728\n");
        assert_eq!(found(older), Some(128 << 20));
    }

    #[test]
    fn a_limit_of_the_system_is_not_used_up() {
        for (limit_mib, used_mib) in [(300, 200), (900, 644), (4000, 3600)] {
            assert_eq!(less_reserve(limit_mib << 20), used_mib << 20, "{limit_mib}");
        }
    }

    #[test]
    fn a_status_says_what_is_used() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmSize:\t  2097152 kB\nVmRSS:\t  204800 kB\n\
                      RssAnon:\t  102400 kB\nVmData:\t  1048576 kB\nThreads:\t10\n";
        let used = read_used(status).unwrap();
        assert_eq!(used.resident, 200 << 20);
        assert_eq!(used.size, (1024 + 100 + 20) << 20);
        assert_eq!(read_used("Name:\tx\n"), None);
        assert!(super::used().unwrap().resident > 1 << 20);
    }

    #[test]
    fn it_is_full_at_a_limit_and_has_room_again_well_below_it() {
        let (memory, warnings) = (Memory::default(), Warnings::default());
        let woken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&woken);
        memory.on_room(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let limits = Limits {
            resident: Some(1000),
            size: Some(5000),
        };
        let full = |resident, size| {
            memory.look(Used { resident, size }, limits, &warnings, "1000");
            assert_eq!(warnings.list().len(), usize::from(memory.is_full()));
            memory.is_full()
        };
        assert!(!full(999, 100));
        assert!(full(1000, 100));
        assert!(full(960, 100));
        assert!(!full(949, 100));
        assert!(!full(960, 4999));
        assert!(full(500, 5000));
        assert!(full(500, 4800));
        assert!(!full(500, 4000));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }
}
