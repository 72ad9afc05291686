//! Query parameters: pairs of text come in, checked values go out.
//!
//! An unknown name, a bad value, or a known name twice is a problem that names it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use warp::http::StatusCode;

use super::problem::Problem;

/// The parameters of a request, decoded.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

/// How much of an unknown name is repeated.
const NAME_CHARS_MAX: usize = 40;

impl Query {
    /// Refuses parameters that a route does not have: whoever asks for something must not get
    /// something else.
    pub fn only(&self, known: &[&'static str]) -> Result<(), Problem> {
        let unknown = self
            .0
            .iter()
            .find(|(given, _)| !known.contains(&given.as_str()));
        let Some((given, _)) = unknown else {
            return Ok(());
        };
        let given: String = given.chars().take(NAME_CHARS_MAX).collect();
        let there_are = match known {
            [] => "it takes none".to_string(),
            known => format!("it takes {}", known.join(", ")),
        };
        let detail = format!("this route has no parameter '{given}': {there_are}");
        let title = "a query parameter is unknown";
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "unknown-parameter",
            title,
            detail,
        ))
    }

    /// A parameter as text; the empty text is as good as none.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            return Err(Problem::parameter(
                name,
                format!("'{name}' is given twice: give it once"),
            ));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// A parameter as a whole number in a range.
    pub fn number<N>(
        &self,
        name: &'static str,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, Problem>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::parameter(
                name,
                format!(
                    "'{name}' must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(pairs: &[(&str, &str)]) -> Result<Option<usize>, Option<&'static str>> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let query = Query(pairs.collect());
        query
            .number("limit", 1..=1000)
            .map_err(|problem| problem.parameter)
    }

    #[test]
    fn unknown_names_are_named() {
        let query = |name: &str| {
            Query(vec![
                ("contest".into(), "m".into()),
                (name.into(), "".into()),
            ])
        };
        assert!(query("limit").only(&["contest", "limit"]).is_ok());
        let problem = query("Limit")
            .only(&["contest", "limit"])
            .expect_err("unknown");
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains("'Limit'"), "{}", problem.detail);
        assert!(
            problem.detail.contains("contest, limit"),
            "{}",
            problem.detail
        );
        assert!(Query::default().only(&[]).is_ok());
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(limit(&[]), Ok(None));
        assert_eq!(limit(&[("other", "x"), ("limit", "")]), Ok(None));
        assert_eq!(limit(&[("limit", "1")]), Ok(Some(1)));
        assert_eq!(limit(&[("limit", "1000")]), Ok(Some(1000)));
        for bad in ["0", "1001", "-1", "x", "1.5", "99999999999999999999"] {
            assert_eq!(limit(&[("limit", bad)]), Err(Some("limit")), "{bad}");
        }
        assert_eq!(limit(&[("limit", "1"), ("limit", "1")]), Err(Some("limit")));
    }
}
