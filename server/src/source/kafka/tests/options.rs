//! Options that would break a law are refused, and no secret shows.

use super::*;

fn with(options: &[(&str, &str)]) -> KafkaSettings {
    let mut settings = KafkaSettings::new("127.0.0.1:1", "votes");
    let options = options
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()));
    settings.options = options.collect();
    settings
}

fn refusal(options: &[(&str, &str)]) -> LogError {
    KafkaLog::connect(with(options)).err().unwrap()
}

#[test]
fn an_option_that_breaks_a_law_is_refused_by_name() {
    for option in [
        "isolation.level",
        "enable.auto.commit",
        "group.id",
        "acks",
        "enable.idempotence",
        "auto.offset.reset",
        "partitioner",
        "bootstrap.servers",
    ] {
        let error = refusal(&[(option, "x")]);
        assert!(matches!(error, LogError::KafkaOption { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("'{option}'")),
            "{error}"
        );
        assert!(!error.is_transient());
    }
}

#[test]
fn an_option_that_does_not_exist_or_has_a_wrong_value_is_refused() {
    let error = refusal(&[("no.such.option", "1")]).to_string();
    assert!(
        error.contains("'no.such.option'") && error.contains("no such option"),
        "{error}"
    );
    let error = refusal(&[("socket.timeout.ms", "hunter2")]).to_string();
    assert!(
        error.contains("'socket.timeout.ms'") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn options_that_only_one_kind_of_client_has_are_taken() {
    let options = [
        ("compression.type", "zstd"),
        ("fetch.wait.max.ms", "20"),
        ("client.id", "me"),
    ];
    KafkaLog::connect(with(&options)).unwrap();
}

#[cfg(not(feature = "tls"))]
#[test]
fn encryption_is_refused_by_a_build_without_it() {
    for (option, value) in [
        ("security.protocol", "SSL"),
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", "/ca.pem"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
    ] {
        let error = refusal(&[(option, value)]);
        assert!(matches!(error, LogError::KafkaNoTls { .. }), "{error}");
        assert!(error.to_string().contains("--features tls"));
    }
}

#[test]
fn a_password_never_shows() {
    let options = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "counter"),
        ("sasl.password", "hunter2"),
    ];
    let settings = with(&options);
    assert!(!format!("{settings:?} {settings:#?}").contains("hunter2"));
    let log = KafkaLog::connect(settings).unwrap();
    let error = log.extents().unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", log.health()).contains("hunter2"));
}

#[test]
fn brokers_that_are_not_there_are_an_error_soon_and_a_transient_one() {
    let log = KafkaLog::connect(with(&[])).unwrap();
    let began = Instant::now();
    let error = log.extents().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(matches!(error, LogError::KafkaAway { .. }), "{error}");
    assert!(error.is_transient());
    assert!(log.topic_id().unwrap_err().is_transient());
    assert!(log.reader(&[(0, 0)], Box::new(|| {})).is_err());
    assert_eq!(log.last_extents(), []);
    eventually("health says it", || {
        log.health().error.is_some() && log.health().since_ms.is_some()
    });
}
