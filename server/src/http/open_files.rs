//! The limit on open files: raised as far as it may be, said, and kept to, rather than met by a
//! failing accept.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are not connections: the log, its readers, the listener, standard streams.
const OTHER_FILES: usize = 512;

/// How many of so many connections this process may open.
pub fn allow(connections_max: usize) -> usize {
    let wanted = connections_max.saturating_add(OTHER_FILES);
    let Some(files) = raised(wanted) else {
        return connections_max;
    };
    let allowed = fit(connections_max, files);
    if allowed < connections_max {
        tracing::warn!(
            files,
            connections_max,
            allowed,
            "this process may open too few files for all connections that are configured: raise \
             the hard limit (ulimit -Hn, LimitNOFILE) or expect 503 beyond"
        );
    }
    allowed
}

fn fit(connections_max: usize, files: usize) -> usize {
    connections_max
        .min(files.saturating_sub(OTHER_FILES))
        .max(16)
}

/// How many files this process may open, after the soft limit was raised to as many as are wanted,
/// or to the hard one; `None` where there is no limit.
fn raised(wanted: usize) -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current?;
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    let is_raised = current < most && setrlimit(Resource::Nofile, raised).is_ok();
    usize::try_from(if is_raised { most } else { current }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_leave_room_for_what_is_no_connection() {
        assert_eq!(fit(16_384, 20_000), 16_384);
        assert_eq!(fit(16_384, 1024), 512);
        assert_eq!(fit(16_384, 64), 16);
    }

    #[test]
    fn the_limit_is_raised_only_where_more_is_wanted() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raised(0), before.current.map(|files| files as usize));
        assert_eq!(getrlimit(Resource::Nofile), before);
    }
}
