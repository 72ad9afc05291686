//! What the settings of an existing topic mean for the count.
//!
//! The settings come from the brokers; warnings go out, or the refusal to count a topic that
//! loses messages while it is read. Never changes a setting.

use std::collections::BTreeMap;
use std::time::Duration;

use ::producer::target::wait_for;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::{KafkaSettings, options};
use crate::source::LogError;
use crate::warnings::Warnings;

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// The topic is compacted.
pub(super) const COMPACTED: &str = "topic_compacted";
/// The topic forgets messages by age or size.
pub(super) const RETENTION: &str = "topic_retention";
/// Messages carry the time that their writers say.
pub(super) const CREATE_TIME: &str = "topic_create_time";
/// The brokers do not say how the topic is set.
pub(super) const UNKNOWN: &str = "topic_settings_unknown";
/// The topic of refused messages forgets some.
pub(super) const REFUSED: &str = "refused_topic_settings";

/// What matters of a topic's settings; by name, as far as the brokers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TopicSettings(BTreeMap<String, String>);

impl TopicSettings {
    fn of(resource: ConfigResource) -> TopicSettings {
        let entries = resource.entries.into_iter();
        TopicSettings(
            entries
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether messages vanish when a later one has the same key.
    pub(super) fn is_compacted(&self) -> bool {
        self.get("cleanup.policy").contains("compact")
    }

    /// The setting by which messages vanish some day, with its value.
    fn retention(&self) -> Option<String> {
        if !self.get("cleanup.policy").contains("delete") {
            return None;
        }
        let names = ["retention.ms", "retention.bytes"].into_iter();
        let mut finite = names.filter(|name| !matches!(self.get(name), "-1" | ""));
        finite
            .next()
            .map(|name| format!("{name}={}", self.get(name)))
    }

    /// Whether the log's time is its writers'.
    fn is_create_time(&self) -> bool {
        self.get("message.timestamp.type") == "CreateTime"
    }

    /// Whether they say what a count depends on.
    fn is_known(&self) -> bool {
        !self.get("cleanup.policy").is_empty()
    }
}

/// What was found of the topic that is counted and of the one of refused messages. The second may
/// not be there yet.
pub(super) struct Found {
    topic: TopicSettings,
    refused: Option<TopicSettings>,
}

/// Asks the brokers; `None` where they do not allow it. Blocks up to some seconds.
fn ask(settings: &KafkaSettings) -> Result<Option<Found>, LogError> {
    let away = |why: String| LogError::KafkaAway {
        bootstrap: settings.bootstrap.clone(),
        attempted: "asking for the topic's settings",
        why,
    };
    let admin: AdminClient<DefaultClientContext> = options::probe(settings)
        .create()
        .map_err(|error| options::not_made(settings, &error))?;
    let refused = format!("{}.refused", settings.topic);
    let asked = [&settings.topic, &refused].map(|topic| ResourceSpecifier::Topic(topic));
    let patience = AdminOptions::new().request_timeout(Some(QUESTION));
    let described = wait_for(admin.describe_configs(&asked, &patience));
    let mut described = match described {
        Ok(described) => described.into_iter(),
        Err(error) => match error.rdkafka_error_code() {
            Some(code) if is_denied(code) => return Ok(None),
            _ => return Err(away(error.to_string())),
        },
    };
    match described.next() {
        Some(Ok(topic)) => Ok(Some(Found {
            topic: TopicSettings::of(topic),
            refused: described.next().and_then(Result::ok).map(TopicSettings::of),
        })),
        Some(Err(code)) if is_denied(code) => Ok(None),
        Some(Err(code)) => Err(away(code.to_string())),
        None => Err(away("the answer is empty".to_string())),
    }
}

/// Whether the answer will not change by itself.
fn is_denied(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::UnsupportedFeature
            | RDKafkaErrorCode::UnsupportedVersion
    )
}

/// Looks at the topic's settings and says what is wrong with them; an error for what may not be
/// counted, where a count `begins`. A count that goes on has read what it counted, and ending it
/// would take the results away, so then it is a warning.
pub(super) fn examine(settings: &KafkaSettings, begins: bool) -> Result<(), LogError> {
    let found = ask(settings)?;
    if begins
        && !settings.accept_compacted
        && found.as_ref().is_some_and(|it| it.topic.is_compacted())
    {
        return Err(LogError::KafkaCompacted {
            topic: settings.topic.clone(),
        });
    }
    warn(settings, found.as_ref(), &settings.warnings);
    Ok(())
}

/// Raises and clears all warnings about the topics.
fn warn(settings: &KafkaSettings, found: Option<&Found>, warnings: &Warnings) {
    let standing = standing(settings, found);
    for code in [COMPACTED, RETENTION, CREATE_TIME, UNKNOWN, REFUSED] {
        match standing.get(code) {
            Some(message) => warnings.raise(code, message),
            None => warnings.clear(code),
        }
    }
}

/// What an operator should know of these settings, by code.
fn standing(settings: &KafkaSettings, found: Option<&Found>) -> BTreeMap<&'static str, String> {
    let mut standing = BTreeMap::new();
    let topic = &settings.topic;
    let Some(found) = found.filter(|found| found.topic.is_known()) else {
        standing.insert(
            UNKNOWN,
            format!(
                "kafka does not say how the topic '{topic}' is set, so whether it is compacted or \
                 forgets votes is not known: allow this user to describe its configuration"
            ),
        );
        return standing;
    };
    if found.topic.is_compacted() {
        let then = match settings.accept_compacted {
            true => "",
            false => "; the next start refuses it without --accept-compacted",
        };
        standing.insert(
            COMPACTED,
            format!(
                "the kafka topic '{topic}' is compacted: a message vanishes once a later one has \
                 its key, so a recount finds other votes; set cleanup.policy=delete{then}"
            ),
        );
    }
    if let Some(setting) = found.topic.retention() {
        standing.insert(
            RETENTION,
            format!(
                "the kafka topic '{topic}' has {setting}, so votes vanish from it some day and no \
                 recount finds them: set retention.ms=-1 and retention.bytes=-1"
            ),
        );
    }
    if found.topic.is_create_time() {
        standing.insert(
            CREATE_TIME,
            format!(
                "messages of the kafka topic '{topic}' have the time that their writers say, by \
                 which votes are late or refused: set message.timestamp.type=LogAppendTime"
            ),
        );
    }
    if let Some(refused) = &found.refused {
        let policy = refused
            .is_compacted()
            .then(|| "cleanup.policy=compact".to_string());
        if let Some(setting) = policy.or_else(|| refused.retention()) {
            standing.insert(
                REFUSED,
                format!(
                    "the kafka topic '{topic}.refused' has {setting}, so refused messages vanish \
                     from it: set cleanup.policy=delete, retention.ms=-1 and retention.bytes=-1"
                ),
            );
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> TopicSettings {
        let pairs = pairs.iter();
        TopicSettings(
            pairs
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }

    fn codes(topic: &[(&str, &str)], refused: Option<&[(&str, &str)]>) -> Vec<&'static str> {
        let found = Found {
            topic: settings(topic),
            refused: refused.map(settings),
        };
        let kafka = KafkaSettings::new("127.0.0.1:1", "votes");
        standing(&kafka, Some(&found)).into_keys().collect()
    }

    #[test]
    fn each_setting_that_loses_votes_is_a_warning() {
        let endless = [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        assert!(codes(&endless, Some(&endless)).is_empty());
        for (name, value, expected) in [
            ("retention.ms", "604800000", vec![RETENTION]),
            ("retention.bytes", "1073741824", vec![RETENTION]),
            ("message.timestamp.type", "CreateTime", vec![CREATE_TIME]),
            ("cleanup.policy", "compact", vec![COMPACTED]),
            ("cleanup.policy", "compact,delete", vec![COMPACTED]),
        ] {
            let mut topic = endless;
            for pair in topic.iter_mut().filter(|pair| pair.0 == name) {
                pair.1 = value;
            }
            assert_eq!(codes(&topic, None), expected, "{name}={value}");
            let refused: &[&str] = if name.contains("timestamp") {
                &[]
            } else {
                &[REFUSED]
            };
            assert_eq!(codes(&endless, Some(&topic)), refused, "{name}={value}");
        }
        assert_eq!(codes(&[], None), [UNKNOWN]);
    }

    #[test]
    fn brokers_that_do_not_say_are_a_warning() {
        let kafka = KafkaSettings::new("127.0.0.1:1", "votes");
        let standing = standing(&kafka, None);
        assert!(standing[UNKNOWN].contains("'votes'"), "{standing:?}");
    }
}
