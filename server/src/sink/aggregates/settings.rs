//! How the aggregate topics are reached.

use std::fmt;

use rdkafka::config::ClientConfig;

use super::error::AggregateError;
use crate::warnings::Warnings;

/// How the aggregate topics are reached.
#[derive(Clone)]
pub struct AggregateSettings {
    /// `HOST:PORT` of some brokers, by commas.
    pub bootstrap: String,
    /// Options of the clients, as librdkafka calls them; values are never shown.
    pub options: Vec<(String, String)>,
    /// Whether to make the topics where they are absent.
    pub create_topics: bool,
    /// Where it is said what is wrong with a topic that is there.
    pub warnings: Warnings,
}

impl AggregateSettings {
    /// Refuses options that no client takes.
    pub(super) fn check(&self) -> Result<(), AggregateError> {
        let made = self.client().create_native_config();
        made.map(|_| ()).map_err(AggregateError::of_client)
    }

    /// What all clients of the sink have in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "tallyflow-aggregates");
        config.extend(self.options.iter().cloned());
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

impl fmt::Debug for AggregateSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options.iter();
        let names: Vec<&str> = options.map(|(name, _)| name.as_str()).collect();
        f.debug_struct("AggregateSettings")
            .field("bootstrap", &self.bootstrap)
            .field("options", &names)
            .field("create_topics", &self.create_topics)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_option_is_named_and_its_value_is_not_shown() {
        let settings = AggregateSettings {
            bootstrap: "127.0.0.1:9092".to_string(),
            options: vec![("sasl.pasword".to_string(), "secret".to_string())],
            create_topics: true,
            warnings: Warnings::default(),
        };
        let error = settings.check().expect_err("there is no such option");
        let said = format!(
            "{error} {error:?} {settings:?} {}",
            crate::told::chain(&error)
        );
        assert!(
            said.contains("sasl.pasword") && !said.contains("secret"),
            "{said}"
        );
    }
}
