//! Processor time and memory of a process and all that it has started, from `/proc`.

use std::collections::HashMap;
use std::fs;

/// Linux has told times to programs in hundredths of a second since there is Linux.
const JIFFIES_PER_SECOND: f64 = 100.0;

/// What a process and its descendants have used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Of those that live, and of those that have ended and were waited for.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_bytes: f64,
    /// The sum of each one's own peak: no less than the peak of the sum.
    pub rss_peak_bytes: f64,
}

impl Usage {
    /// Of a process and all below it; of one that has ended, nothing.
    pub fn of(pid: u32) -> Usage {
        let mut usage = Usage::default();
        for pid in family(pid) {
            usage.cpu_seconds += cpu_seconds(pid).unwrap_or(0.0);
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            usage.rss_bytes += kib(&status, "VmRSS:") * 1024.0;
            usage.rss_peak_bytes += kib(&status, "VmHWM:") * 1024.0;
        }
        usage
    }

    /// The most of both: a process that ends takes its figures along.
    pub fn or_more(self, later: Usage) -> Usage {
        Usage {
            cpu_seconds: self.cpu_seconds.max(later.cpu_seconds),
            rss_bytes: later.rss_bytes,
            rss_peak_bytes: self.rss_peak_bytes.max(later.rss_peak_bytes),
        }
    }
}

/// A process and all below it, itself first.
pub fn family(pid: u32) -> Vec<u32> {
    let children = children();
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at) {
        family.extend(children.get(parent).into_iter().flatten());
        at += 1;
    }
    family
}

/// The processor time of one process, its own and of its children that have ended.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let fields = stat(pid)?;
    // utime, stime, cutime, cstime: fields 14 to 17 of proc_pid_stat(5).
    let jiffies = fields.get(11..15)?.iter().map(|field| field.parse::<f64>());
    Some(jiffies.map_while(Result::ok).sum::<f64>() / JIFFIES_PER_SECOND)
}

/// The fields of `stat` from the third on; the second, a name, may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_string).collect())
}

fn children() -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        let parent = stat(pid).and_then(|fields| fields.get(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

fn kib(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_its_child_is_seen() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep runs");
        let alone = Usage::of(child.id());
        let both = Usage::of(std::process::id());
        let _ = child.kill();
        let _ = child.wait();
        assert!(alone.rss_bytes > 0.0 && both.rss_bytes > alone.rss_bytes);
        assert!(both.rss_peak_bytes >= both.rss_bytes);
    }
}
