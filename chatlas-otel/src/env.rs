//! The standard environment variables, read with errors instead of silence: the SDK passes over
//! what it does not understand, and then does something else than was asked.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::SetupError;

/// Looks variables up.
#[derive(Clone, Copy)]
pub(super) struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Env<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// The value, without what surrounds it. An empty variable is an unset one, says the
    /// specification.
    pub(super) fn text(self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The first of these that is set, and which one it is.
    pub(super) fn first<const N: usize>(self, names: [String; N]) -> Option<(String, String)> {
        names.into_iter().find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    /// True where it says so: any other word is false, says the specification.
    pub(super) fn is_true(self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A whole number.
    pub(super) fn count<T: FromStr>(self, name: &str) -> Result<Option<T>, SetupError> {
        self.text(name).map(|value| parsed(name, &value, "a whole number")).transpose()
    }

    /// The size of a queue. It is bounded, since the SDK takes the memory for it at once.
    pub(super) fn size(self, name: &str) -> Result<Option<usize>, SetupError> {
        let expected = "a whole number from 1 to 1000000";
        match self.text(name).map(|value| parsed(name, &value, expected)).transpose()? {
            Some(0 | 1_000_001..) => {
                Err(SetupError::InvalidValue { place: name.to_owned(), expected })
            }
            size => Ok(size),
        }
    }

    /// Milliseconds.
    pub(super) fn millis(self, name: &str) -> Result<Option<Duration>, SetupError> {
        let millis = self.text(name).map(|value| parsed(name, &value, "milliseconds"));
        Ok(millis.transpose()?.map(Duration::from_millis))
    }
}

/// The value as a number or the like.
pub(super) fn parsed<T: FromStr>(
    place: &str,
    value: &str,
    expected: &'static str,
) -> Result<T, SetupError> {
    let wrong = |_| SetupError::InvalidValue { place: place.to_owned(), expected };
    value.parse().map_err(wrong)
}

/// `name=value` pairs, separated by commas, the values percent-encoded.
pub(super) fn pairs(place: &str, list: &str) -> Result<Vec<(String, String)>, SetupError> {
    let wrong = || SetupError::InvalidValue {
        place: place.to_owned(),
        expected: "`name=value` pairs separated by commas, the values percent-encoded",
    };
    let decoded = |text: &str| {
        let text = percent_decode_str(text.trim()).decode_utf8().map_err(|_| wrong())?;
        Ok(text.into_owned())
    };
    list.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            if name.trim().is_empty() {
                return Err(wrong());
            }
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A lookup in those pairs.
    pub(in super::super) fn of<'a>(
        pairs: &'a [(&'a str, &'a str)],
    ) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        let lookup = of(&[("A", "  "), ("B", " b ")]);
        let env = Env::new(&lookup);
        assert_eq!(env.text("A"), None);
        assert_eq!(env.text("B").as_deref(), Some("b"));
        assert_eq!(env.first(["A".into(), "B".into()]), Some(("B".into(), "b".into())));
    }

    #[test]
    fn a_number_that_is_none_is_an_error_that_names_the_variable() {
        let most = usize::MAX.to_string();
        let pairs = [("N", "many"), ("ZERO", "0"), ("HUGE", most.as_str()), ("MS", "250")];
        let lookup = of(&pairs);
        let env = Env::new(&lookup);
        let error = env.count::<u32>("N").unwrap_err();
        assert_eq!(error.to_string(), "N must be a whole number");
        assert!(env.millis("N").is_err());
        assert!(env.size("ZERO").is_err());
        assert!(env.size("HUGE").is_err(), "no program ends for want of memory");
        assert_eq!(env.millis("MS"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(env.count::<u32>("UNSET"), Ok(None));
    }

    #[test]
    fn pairs_are_percent_decoded() {
        assert_eq!(
            pairs("H", "authorization=Bearer%20abc, x-a = 1,,team=%C3%A4"),
            Ok(vec![
                ("authorization".into(), "Bearer abc".into()),
                ("x-a".into(), "1".into()),
                ("team".into(), "ä".into()),
            ])
        );
        assert_eq!(pairs("H", "a=Basic eDp5Cg=="), Ok(vec![("a".into(), "Basic eDp5Cg==".into())]));
        for list in ["secret", "=secret", "a=%ff"] {
            let error = pairs("H", list).unwrap_err().to_string();
            assert!(error.starts_with("H must be `name=value` pairs"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
