//! The resource: the attributes that describe the service. The SDK reads the variables too, but it
//! does not decode them, and `OTEL_RESOURCE_ATTRIBUTES` overrides `OTEL_SERVICE_NAME` there, against
//! the [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::env::{self, Env};
use crate::error::SetupError;

const SERVICE_NAME: &str = "service.name";

/// Returns the resource. Values set in code override the environment, and the service name
/// overrides the attributes.
pub(crate) fn resource(
    service_name: Option<&str>,
    attributes: &[KeyValue],
    env: Env<'_>,
) -> Result<Resource, SetupError> {
    let setting = "OTEL_RESOURCE_ATTRIBUTES";
    let from_env = match env.text(setting) {
        Some(list) if has_invalid_escape(&list) => {
            return Err(SetupError::InvalidValue {
                setting: setting.to_owned(),
                expected: "`name=value` pairs in which `%` is followed by two hexadecimal digits",
            });
        }
        Some(list) => env::parse_pairs(setting, &list)?,
        None => Vec::new(),
    };
    // Later attributes override earlier ones.
    let mut all = vec![KeyValue::new(SERVICE_NAME, unknown_service())];
    all.extend(from_env.into_iter().map(|(key, value)| KeyValue::new(key, value)));
    all.extend(env.text("OTEL_SERVICE_NAME").map(|name| KeyValue::new(SERVICE_NAME, name)));
    all.extend(attributes.iter().cloned());
    all.extend(service_name.map(|name| KeyValue::new(SERVICE_NAME, name.to_owned())));
    Ok(Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(all)
        .build())
}

/// Returns true if a `%` does not begin an escape. In headers, such a `%` is a literal one.
fn has_invalid_escape(list: &str) -> bool {
    list.split('%').skip(1).any(|rest| {
        let digits = rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        digits < 2
    })
}

/// Returns the name that the specification defines for a service without a name.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()?.to_str());
    name.map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"))
}

#[cfg(test)]
mod tests {
    use crate::env::tests::lookup;

    use super::*;

    fn get(resource: &Resource, key: &'static str) -> String {
        resource.get(&key.into()).map(|value| value.to_string()).unwrap_or_default()
    }

    #[test]
    fn service_name_overrides_the_resource_attributes() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=pack%20ing");
        let resource = super::resource(None, &[], Env::new(&lookup(&[attributes]))).unwrap();
        assert_eq!(get(&resource, "service.name"), "a");
        assert_eq!(get(&resource, "team"), "pack ing");
        assert_eq!(get(&resource, "telemetry.sdk.language"), "rust");
        let pairs = [attributes, ("OTEL_SERVICE_NAME", "b")];
        let both = lookup(&pairs);
        let resource = super::resource(None, &[], Env::new(&both)).unwrap();
        assert_eq!(get(&resource, "service.name"), "b");
        let team = [KeyValue::new("team", "code")];
        let resource = super::resource(Some("c"), &team, Env::new(&both)).unwrap();
        assert_eq!(
            (get(&resource, "service.name"), get(&resource, "team")),
            ("c".into(), "code".into())
        );
    }

    /// <https://github.com/open-telemetry/opentelemetry-specification/issues/4847>
    #[test]
    fn invalid_escapes_are_errors() {
        for list in ["d=%zz", "d=1%", "d=%4", "a=b,d=%%41"] {
            let variables = [("OTEL_RESOURCE_ATTRIBUTES", list)];
            let error = super::resource(None, &[], Env::new(&lookup(&variables))).unwrap_err();
            assert!(error.to_string().starts_with("OTEL_RESOURCE_ATTRIBUTES must be"), "{error}");
        }
    }

    #[test]
    fn default_service_name_contains_the_program_name() {
        let resource = super::resource(None, &[], Env::new(&lookup(&[]))).unwrap();
        assert!(get(&resource, "service.name").starts_with("unknown_service:"));
        let invalid = lookup(&[("OTEL_RESOURCE_ATTRIBUTES", "service")]);
        let error = super::resource(None, &[], Env::new(&invalid)).unwrap_err();
        assert!(error.to_string().starts_with("OTEL_RESOURCE_ATTRIBUTES must be"), "{error}");
    }
}
