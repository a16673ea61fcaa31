//! `OTEL_TRACES_SAMPLER` and its argument.

use opentelemetry_sdk::trace::Sampler;

use super::SetupError;
use super::env::{self, Env};

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// The sampler that the environment names; all that the parent records unless it names one.
pub(super) fn sampler(env: Env<'_>) -> Result<Sampler, SetupError> {
    let parent_based = |sampler| Sampler::ParentBased(Box::new(sampler));
    let Some(name) = env.text(SAMPLER) else { return Ok(parent_based(Sampler::AlwaysOn)) };
    Ok(match name.as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(env)?),
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent_based(Sampler::TraceIdRatioBased(ratio(env)?)),
        _ => {
            return Err(SetupError::InvalidValue {
                place: SAMPLER.to_owned(),
                expected: "`always_on`, `always_off`, `traceidratio`, or one of them with \
                           `parentbased_` before it",
            });
        }
    })
}

fn ratio(env: Env<'_>) -> Result<f64, SetupError> {
    let expected = "a share from 0 to 1";
    // Without an argument it is 1, says the specification.
    let Some(share) = env.text(ARGUMENT) else { return Ok(1.0) };
    let share: f64 = env::parsed(ARGUMENT, &share, expected)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(SetupError::InvalidValue { place: ARGUMENT.to_owned(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::of;
    use super::*;

    #[test]
    fn samplers_have_the_names_of_the_specification() {
        let made = |name: &str, argument: &str| {
            let made = sampler(Env::new(&of(&[(SAMPLER, name), (ARGUMENT, argument)])));
            made.map(|sampler| format!("{sampler:?}"))
        };
        assert_eq!(made("", "").unwrap(), "ParentBased(AlwaysOn)");
        assert_eq!(made("always_off", "").unwrap(), "AlwaysOff");
        assert_eq!(made("traceidratio", "0.25").unwrap(), "TraceIdRatioBased(0.25)");
        let based = made("parentbased_traceidratio", "").unwrap();
        assert_eq!(based, "ParentBased(TraceIdRatioBased(1.0))");
        for (name, argument) in [("sometimes", ""), ("traceidratio", "2"), ("traceidratio", "x")] {
            let error = made(name, argument).unwrap_err().to_string();
            assert!(error.starts_with("OTEL_TRACES_SAMPLER"), "{error}");
        }
    }
}
