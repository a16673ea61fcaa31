//! Who sends: the resource. The SDK reads the variables too, but it does not decode them, and
//! lets `OTEL_RESOURCE_ATTRIBUTES` win over `OTEL_SERVICE_NAME`, against the
//! [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use super::SetupError;
use super::env::{self, Env};

const SERVICE_NAME: &str = "service.name";

/// What the program says wins over the environment, the name of the service over the attributes.
pub(super) fn resource(
    service_name: Option<&str>,
    attributes: &[KeyValue],
    env: Env<'_>,
) -> Result<Resource, SetupError> {
    let place = "OTEL_RESOURCE_ATTRIBUTES";
    let from_env = match env.text(place) {
        Some(list) => env::pairs(place, &list)?,
        None => Vec::new(),
    };
    // What is added later wins.
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

/// The name that the specification gives to a service without one.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()?.to_str());
    name.map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"))
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::of;
    use super::*;

    fn get(resource: &Resource, key: &'static str) -> String {
        resource.get(&key.into()).map(|value| value.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_name_of_the_service_wins_over_the_attributes() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=pack%20ing");
        let made = resource(None, &[], Env::new(&of(&[attributes]))).unwrap();
        assert_eq!(get(&made, "service.name"), "a");
        assert_eq!(get(&made, "team"), "pack ing");
        assert_eq!(get(&made, "telemetry.sdk.language"), "rust");
        let pairs = [attributes, ("OTEL_SERVICE_NAME", "b")];
        let both = of(&pairs);
        let made = resource(None, &[], Env::new(&both)).unwrap();
        assert_eq!(get(&made, "service.name"), "b");
        let team = [KeyValue::new("team", "code")];
        let made = resource(Some("c"), &team, Env::new(&both)).unwrap();
        assert_eq!((get(&made, "service.name"), get(&made, "team")), ("c".into(), "code".into()));
    }

    #[test]
    fn a_service_without_a_name_is_that_of_its_program() {
        let made = resource(None, &[], Env::new(&of(&[]))).unwrap();
        assert!(get(&made, "service.name").starts_with("unknown_service:"));
        let wrong = of(&[("OTEL_RESOURCE_ATTRIBUTES", "service")]);
        let error = resource(None, &[], Env::new(&wrong)).unwrap_err();
        assert!(error.to_string().starts_with("OTEL_RESOURCE_ATTRIBUTES must be"), "{error}");
    }
}
