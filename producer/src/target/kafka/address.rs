//! Where a topic is, as it is typed after `kafka://`.

use std::fmt;
use std::str::FromStr;

/// The longest topic name, as Kafka has it.
const TOPIC_BYTES_MAX: usize = 249;

/// Brokers to ask first, and a topic: `HOST:PORT[,HOST:PORT]/TOPIC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAddress {
    /// `HOST:PORT` of some brokers, by commas.
    pub bootstrap: String,
    /// The topic.
    pub topic: String,
}

impl FromStr for KafkaAddress {
    type Err = ();

    fn from_str(typed: &str) -> Result<KafkaAddress, ()> {
        let (bootstrap, topic) = typed.split_once('/').ok_or(())?;
        if !bootstrap.split(',').all(is_broker) || !is_topic(topic) {
            return Err(());
        }
        Ok(KafkaAddress {
            bootstrap: bootstrap.to_string(),
            topic: topic.to_string(),
        })
    }
}

impl fmt::Display for KafkaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}/{}", self.bootstrap, self.topic)
    }
}

fn is_broker(typed: &str) -> bool {
    let port = |(host, port): (&str, &str)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    typed.rsplit_once(':').is_some_and(port)
}

fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let length = (1..=TOPIC_BYTES_MAX).contains(&name.len());
    length && name.bytes().all(legal) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::KafkaAddress;

    #[test]
    fn an_address_has_brokers_and_a_topic() {
        for (typed, sound) in [
            ("127.0.0.1:9092/votes", true),
            ("a:1,b:2,[::1]:9092/votes.2024_x-y", true),
            ("a:1/", false),
            ("a:1", false),
            ("a/votes", false),
            ("a:0/votes", false),
            (":1/votes", false),
            ("a:1,/votes", false),
            ("/votes", false),
            ("a:1/votes/more", false),
            ("a:1/..", false),
            ("a:1/vo tes", false),
        ] {
            let address = typed.parse::<KafkaAddress>();
            assert_eq!(address.is_ok(), sound, "{typed}");
            if let Ok(address) = address {
                assert_eq!(address.to_string(), format!("kafka://{typed}"));
            }
        }
    }
}
