//! The sampler: `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.

use opentelemetry_sdk::trace::Sampler;

use crate::env::{self, Env};
use crate::error::SetupError;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Returns the sampler selected by the environment. Default: `parentbased_always_on`.
pub(crate) fn sampler(env: Env<'_>) -> Result<Sampler, SetupError> {
    let parent_based = |sampler| Sampler::ParentBased(Box::new(sampler));
    let Some(name) = env.name(SAMPLER) else { return Ok(parent_based(Sampler::AlwaysOn)) };
    Ok(match name.as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(env)?),
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent_based(Sampler::TraceIdRatioBased(ratio(env)?)),
        _ => {
            return Err(SetupError::InvalidValue {
                setting: SAMPLER.to_owned(),
                expected: "`always_on`, `always_off`, `traceidratio`, or one of them with the \
                           prefix `parentbased_`",
            });
        }
    })
}

fn ratio(env: Env<'_>) -> Result<f64, SetupError> {
    let expected = "a ratio from 0 to 1";
    // The specification defines 1 as the default.
    let Some(ratio) = env.text(ARGUMENT) else { return Ok(1.0) };
    let ratio: f64 = env::parse(ARGUMENT, &ratio, expected)?;
    if (0.0..=1.0).contains(&ratio) {
        Ok(ratio)
    } else {
        Err(SetupError::InvalidValue { setting: ARGUMENT.to_owned(), expected })
    }
}

#[cfg(test)]
mod tests {
    use crate::env::tests::lookup;

    use super::*;

    #[test]
    fn samplers_are_selected_by_the_names_of_the_specification() {
        let selected = |name: &str, argument: &str| {
            let sampler = sampler(Env::new(&lookup(&[(SAMPLER, name), (ARGUMENT, argument)])));
            sampler.map(|sampler| format!("{sampler:?}"))
        };
        assert_eq!(selected("", "").unwrap(), "ParentBased(AlwaysOn)");
        assert_eq!(selected("always_off", "").unwrap(), "AlwaysOff");
        assert_eq!(selected("ALWAYS_ON", "").unwrap(), "AlwaysOn");
        assert_eq!(selected("traceidratio", "0.25").unwrap(), "TraceIdRatioBased(0.25)");
        let based = selected("parentbased_traceidratio", "").unwrap();
        assert_eq!(based, "ParentBased(TraceIdRatioBased(1.0))");
        for (name, argument) in [("sometimes", ""), ("traceidratio", "2"), ("traceidratio", "x")] {
            let error = selected(name, argument).unwrap_err().to_string();
            assert!(error.starts_with("OTEL_TRACES_SAMPLER"), "{error}");
        }
    }
}
