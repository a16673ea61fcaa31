//! Reads the standard environment variables. Invalid values are errors here: the SDK ignores them
//! and then behaves differently from what the operator configured.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::SetupError;
use crate::otlp::{NO_LIMIT, unlimited_if_zero};

/// A lookup of environment variables.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Env<'a> {
    pub(crate) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// Returns the trimmed value. The specification treats an empty variable as unset.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Returns the name and the value of the first variable that is set.
    pub(crate) fn first<const N: usize>(self, names: [String; N]) -> Option<(String, String)> {
        names.into_iter().find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    /// Returns true if the value is `true`. The specification treats every other value as false.
    pub(crate) fn is_true(self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the value in lower case. Names of the specification are case-insensitive.
    pub(crate) fn name(self, name: &str) -> Option<String> {
        self.text(name).map(|value| value.to_ascii_lowercase())
    }

    /// Returns an integer.
    pub(crate) fn count<T: FromStr>(self, name: &str) -> Result<Option<T>, SetupError> {
        self.text(name).map(|value| parse(name, &value, "an integer")).transpose()
    }

    /// Returns the size of a queue. The size is bounded because the SDK allocates the queue at
    /// once.
    pub(crate) fn size(self, name: &str) -> Result<Option<usize>, SetupError> {
        let expected = "an integer from 1 to 1000000";
        match self.text(name).map(|value| parse(name, &value, expected)).transpose()? {
            Some(0 | 1_000_001..) => {
                Err(SetupError::InvalidValue { setting: name.to_owned(), expected })
            }
            size => Ok(size),
        }
    }

    /// Returns the time between two exports, which is at least `min`: without a pause, an exporter
    /// would occupy a processor.
    pub(crate) fn interval(
        self,
        name: &str,
        min: Duration,
    ) -> Result<Option<Duration>, SetupError> {
        let expected = "an integer number of milliseconds, at least 1";
        let millis = self.text(name).map(|value| parse::<u64>(name, &value, expected));
        match millis.transpose()? {
            Some(0) => Err(SetupError::InvalidValue { setting: name.to_owned(), expected }),
            millis => Ok(millis.map(|millis| Duration::from_millis(millis).clamp(min, NO_LIMIT))),
        }
    }

    /// Returns a timeout in milliseconds. Zero means no limit.
    pub(crate) fn timeout(self, name: &str) -> Result<Option<Duration>, SetupError> {
        let millis = self.text(name).map(|value| parse(name, &value, MILLISECONDS));
        Ok(millis.transpose()?.map(|millis| unlimited_if_zero(Duration::from_millis(millis))))
    }
}

/// The valid values of a duration.
const MILLISECONDS: &str = "an integer number of milliseconds";

/// Parses the value of a variable.
pub(crate) fn parse<T: FromStr>(
    setting: &str,
    value: &str,
    expected: &'static str,
) -> Result<T, SetupError> {
    let invalid = |_| SetupError::InvalidValue { setting: setting.to_owned(), expected };
    value.parse().map_err(invalid)
}

/// Parses `name=value` pairs that are separated by commas and percent-encoded.
pub(crate) fn parse_pairs(setting: &str, list: &str) -> Result<Vec<(String, String)>, SetupError> {
    let invalid = || SetupError::InvalidValue {
        setting: setting.to_owned(),
        expected: "`name=value` pairs separated by commas, with percent-encoded values",
    };
    let decode = |text: &str| {
        let text = percent_decode_str(text.trim()).decode_utf8().map_err(|_| invalid())?;
        Ok(text.into_owned())
    };
    list.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(invalid)?;
            if name.trim().is_empty() {
                return Err(invalid());
            }
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Returns an error if a variable of OpenTelemetry or Logfire is not Unicode. The standard library
/// reports such a variable as one that is not set.
pub(crate) fn check_unicode(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), SetupError> {
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if (name.starts_with("OTEL_") || name.starts_with("LOGFIRE_")) && value.to_str().is_none() {
            let setting = name.into_owned();
            return Err(SetupError::InvalidValue { setting, expected: "valid Unicode" });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a lookup over these variables.
    pub(crate) fn lookup<'a>(
        variables: &'a [(&'a str, &'a str)],
    ) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn empty_variables_are_unset() {
        let variables = lookup(&[("A", "  "), ("B", " b ")]);
        let env = Env::new(&variables);
        assert_eq!(env.text("A"), None);
        assert_eq!(env.text("B").as_deref(), Some("b"));
        assert_eq!(env.first(["A".into(), "B".into()]), Some(("B".into(), "b".into())));
    }

    #[test]
    fn invalid_numbers_are_errors_that_name_the_variable() {
        let longest = usize::MAX.to_string();
        let pairs = [("N", "many"), ("ZERO", "0"), ("HUGE", longest.as_str()), ("MS", "250")];
        let variables = lookup(&pairs);
        let env = Env::new(&variables);
        let error = env.count::<u32>("N").unwrap_err();
        assert_eq!(error.to_string(), "N must be an integer");
        assert!(env.timeout("N").is_err());
        assert!(env.interval("ZERO", Duration::ZERO).is_err(), "an export without a pause");
        assert_eq!(env.interval("HUGE", Duration::ZERO).unwrap(), Some(NO_LIMIT));
        assert_eq!(
            env.interval("MS", Duration::from_secs(1)).unwrap(),
            Some(Duration::from_secs(1))
        );
        assert_eq!(env.timeout("ZERO").unwrap(), Some(NO_LIMIT));
        assert!(env.size("ZERO").is_err());
        assert!(env.size("HUGE").is_err(), "a huge queue would exhaust the memory");
        assert_eq!(env.timeout("MS").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(env.count::<u32>("UNSET").unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn values_that_are_not_unicode_are_errors() {
        use std::os::unix::ffi::OsStringExt as _;

        let variable = |name: &str, value: &[u8]| (name.into(), OsString::from_vec(value.into()));
        let check = |name| check_unicode([variable(name, b"x-key=\xe9")]);
        let error = check("OTEL_EXPORTER_OTLP_HEADERS").unwrap_err();
        assert_eq!(error.to_string(), "OTEL_EXPORTER_OTLP_HEADERS must be valid Unicode");
        assert!(check("LANG").is_ok());
        assert!(check_unicode([variable("OTEL_SERVICE_NAME", "ä".as_bytes())]).is_ok());
    }

    #[test]
    fn pairs_are_percent_decoded() {
        assert_eq!(
            parse_pairs("H", "authorization=Bearer%20abc, x-a = 1,,team=%C3%A4").unwrap(),
            [
                ("authorization".into(), "Bearer abc".into()),
                ("x-a".into(), "1".into()),
                ("team".into(), "ä".into()),
            ]
        );
        assert_eq!(
            parse_pairs("H", "a=Basic eDp5Cg==").unwrap(),
            [("a".into(), "Basic eDp5Cg==".into())]
        );
        for list in ["secret", "=secret", "a=%ff"] {
            let error = parse_pairs("H", list).unwrap_err().to_string();
            assert!(error.starts_with("H must be `name=value` pairs"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
