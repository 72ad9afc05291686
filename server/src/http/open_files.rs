//! The limit on open files: found out at the start, said, and kept to, rather than met by a
//! failing accept.

/// Files that are not connections: the log, its readers, the listener, standard streams.
const OTHER_FILES: usize = 512;

/// How many of so many connections this process may open.
pub fn allow(connections_max: usize) -> usize {
    let Some(files) = limit() else {
        return connections_max;
    };
    let allowed = fit(connections_max, files);
    if allowed < connections_max {
        tracing::warn!(
            files,
            connections_max,
            allowed,
            "this process may open too few files for all connections that are configured: raise \
             the limit (ulimit -n, LimitNOFILE) or expect 503 beyond"
        );
    }
    allowed
}

fn fit(connections_max: usize, files: usize) -> usize {
    connections_max
        .min(files.saturating_sub(OTHER_FILES))
        .max(16)
}

/// The limit of this process, where the system says it in a file (Linux).
fn limit() -> Option<usize> {
    parse(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_and_leaves_room() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             63304                63304                processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(parse(limits), Some(1024));
        assert_eq!(parse("Max open files unlimited unlimited files"), None);
        assert_eq!(fit(16_384, 20_000), 16_384);
        assert_eq!(fit(16_384, 1024), 512);
        assert_eq!(fit(16_384, 64), 16);
    }
}
