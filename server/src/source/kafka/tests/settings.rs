//! How the topic is set, and what that means for the count.

use super::*;
use crate::source::kafka::settings::{COMPACTED, CREATE_TIME, REFUSED, RETENTION};
use crate::warnings::Warnings;

/// A topic as it must not be counted without a word, but for one setting, and its log.
fn log(config: &[(&str, &str)], accept_compacted: bool) -> (KafkaLog, Warnings, String) {
    let broker = shared();
    let name = new_name();
    broker.create_topic(&name, 1, config);
    let warnings = Warnings::default();
    let settings = KafkaSettings {
        accept_compacted,
        warnings: warnings.clone(),
        ..KafkaSettings::new(broker.address(), &name)
    };
    (KafkaLog::connect(settings).unwrap(), warnings, name)
}

fn codes(warnings: &Warnings) -> Vec<&'static str> {
    warnings.list().iter().map(|warning| warning.code).collect()
}

const BY_LOG: (&str, &str) = ("message.timestamp.type", "LogAppendTime");

#[test]
fn a_compacted_topic_is_refused_unless_it_is_accepted() {
    for policy in ["compact", "compact,delete"] {
        let config = [("cleanup.policy", policy), BY_LOG];
        let (strict, _, topic) = log(&config, false);
        let error = strict.examine().unwrap_err();
        assert!(matches!(error, LogError::KafkaCompacted { .. }), "{error}");
        assert!(!error.is_transient());
        let said = error.to_string();
        for part in [&topic, "--accept-compacted", "cleanup.policy=delete"] {
            assert!(said.contains(part), "{said}");
        }
        let (lenient, warnings, _) = log(&config, true);
        lenient.examine().unwrap();
        assert_eq!(codes(&warnings), [COMPACTED], "{policy}");
    }
}

#[test]
fn a_topic_that_forgets_and_one_with_its_writers_time_are_warned_of() {
    for (config, expected) in [
        (&[BY_LOG][..], &[][..]),
        (&[BY_LOG, ("retention.ms", "604800000")], &[RETENTION]),
        (&[BY_LOG, ("retention.bytes", "1000000")], &[RETENTION]),
        (&[("message.timestamp.type", "CreateTime")], &[CREATE_TIME]),
        (&[("retention.ms", "60000")], &[CREATE_TIME, RETENTION]),
    ] {
        let (log, warnings, topic) = log(config, false);
        log.examine().unwrap();
        assert_eq!(codes(&warnings), expected, "{config:?}");
        let list = warnings.list();
        assert!(
            list.iter().all(|it| it.message.contains(&topic)),
            "{list:?}"
        );
    }
}

#[test]
fn a_topic_that_is_made_here_is_as_it_should_be() {
    let warnings = Warnings::default();
    let settings = KafkaSettings {
        create_topic: true,
        warnings: warnings.clone(),
        ..KafkaSettings::new(shared().address(), new_name())
    };
    let log = KafkaLog::connect(settings).unwrap();
    log.extents().unwrap();
    log.refused(&[0]).unwrap();
    log.examine().unwrap();
    assert_eq!(warnings.list(), []);
}

#[test]
fn a_change_of_the_settings_is_seen_while_it_is_counted() {
    let (log, warnings, topic) = log(&[BY_LOG], false);
    log.topic_id().unwrap();
    log.examine().unwrap();
    log.refused(&[0]).unwrap();
    assert_eq!(warnings.list(), []);
    let set = |topic: &str, config: &[(&str, &str)]| shared().set_topic(topic, config);
    set(&topic, &[BY_LOG, ("cleanup.policy", "compact")]);
    set(&format!("{topic}.refused"), &[("retention.ms", "1000")]);
    eventually("a compacted topic is warned of", || {
        codes(&warnings) == [REFUSED, COMPACTED]
    });
    // What was counted stays, and the next start refuses.
    let said = &warnings.list()[1].message;
    assert!(said.contains("--accept-compacted"), "{said}");
    assert_eq!(log.health().error, None);
    set(&topic, &[BY_LOG]);
    eventually("the warning is gone", || codes(&warnings) == [REFUSED]);
}
