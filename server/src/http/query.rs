//! Query parameters: pairs of text come in, checked values go out.
//!
//! Unknown names are ignored; a bad value, or a known name twice, is a problem that names it.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::problem::Problem;

/// The parameters of a request, decoded.
#[derive(Clone, Debug, Default)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
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
    fn numbers_are_checked_and_unknown_names_ignored() {
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
