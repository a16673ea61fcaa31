//! The token counts of a reply: merges the counts that a stream repeats, and decides whether a part
//! (cached, reasoning, audio) is inside its count or beside it.

use chatlas_core::Usage;
use chatlas_core::turn::Modalities;

/// The token counts that a server has reported so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TokenCounts {
    pub(crate) input: Option<u64>,
    /// The input of tools that the vendor runs, where it is counted apart.
    pub(crate) tool_input: Option<u64>,
    pub(crate) output: Option<u64>,
    /// The sum of all tokens.
    pub(crate) total: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    pub(crate) input_by_modality: Modalities,
    pub(crate) output_by_modality: Modalities,
    /// Whether the vendor documents that it counts cached tokens beside the input.
    pub(crate) is_cache_beside: bool,
    /// Whether the vendor documents that it counts reasoning tokens beside the output.
    pub(crate) is_reasoning_beside: bool,
}

/// The parts, as bits of a set.
const REASONING: u8 = 1;
const CACHE_READ: u8 = 1 << 1;
const CACHE_WRITE: u8 = 1 << 2;
const INPUT_AUDIO: u8 = 1 << 3;
const OUTPUT_AUDIO: u8 = 1 << 4;
const CACHE: u8 = CACHE_READ | CACHE_WRITE;
/// Beside the input, if the total does not contradict.
const TOOL_INPUT: u8 = 1 << 5;
const ALL: u8 = (1 << 6) - 1;

impl TokenCounts {
    /// Adds a later report. Counts are cumulative: the larger one is kept, so that neither a missing
    /// count nor a zero replaces one.
    pub(crate) fn merge(&mut self, later: Self) {
        for (count, later) in [
            (&mut self.input, later.input),
            (&mut self.tool_input, later.tool_input),
            (&mut self.output, later.output),
            (&mut self.total, later.total),
            (&mut self.cache_read, later.cache_read),
            (&mut self.cache_write, later.cache_write),
            (&mut self.reasoning, later.reasoning),
        ] {
            *count = (*count).max(later);
        }
        for (counts, later) in [
            (&mut self.input_by_modality, later.input_by_modality),
            (&mut self.output_by_modality, later.output_by_modality),
        ] {
            if !later.is_empty() {
                *counts = later;
            }
        }
        self.is_cache_beside |= later.is_cache_beside;
        self.is_reasoning_beside |= later.is_reasoning_beside;
    }

    /// Returns the counts with every part inside its total.
    ///
    /// A part that is larger than its count is beside it. Otherwise the total decides, if the server
    /// reports one that any choice of parts explains; without it, the vendor's documentation does.
    /// Output tokens that only the total contains are added to the output.
    pub(crate) fn usage(&self) -> Usage {
        let (mut input, mut output) = self.with_beside(self.beside());
        match self.total {
            Some(total) if total > sum(input, output) && input.is_some() => {
                output = Some(total.saturating_sub(sum(input, None)));
            }
            Some(total) if total > sum(input, output) && output.is_some() => {
                input = Some(total.saturating_sub(sum(None, output)));
            }
            _ => {}
        }
        let mut usage = Usage::default();
        usage.input_tokens = input;
        usage.output_tokens = output;
        usage.cache_read_tokens = self.cache_read;
        usage.cache_write_tokens = self.cache_write;
        usage.reasoning_tokens = self.reasoning;
        usage.input_by_modality = self.input_by_modality;
        usage.output_by_modality = self.output_by_modality;
        usage
    }

    /// Returns the set of the parts that are beside their counts.
    fn beside(&self) -> u8 {
        let exceeds = |part: Option<u64>, count: Option<u64>| count.is_some() && part > count;
        let exceeding = [
            (REASONING, self.reasoning, self.output),
            (CACHE_READ, self.cache_read, self.input),
            (CACHE_WRITE, self.cache_write, self.input),
            (INPUT_AUDIO, self.input_by_modality.audio, self.input),
            (OUTPUT_AUDIO, self.output_by_modality.audio, self.output),
        ]
        .into_iter()
        .filter(|(_, part, count)| exceeds(*part, *count))
        .fold(0, |set, (part, ..)| set | part);
        // A server counts both kinds of cached tokens in the same way.
        let is_cache_beside = self.is_cache_beside || exceeding & CACHE != 0;
        let documented = [(is_cache_beside, CACHE), (self.is_reasoning_beside, REASONING)]
            .into_iter()
            .filter(|(is_beside, _)| *is_beside)
            .fold(exceeding | TOOL_INPUT, |set, (_, part)| set | part);
        let Some(total) = self.total else { return documented };
        let explains = |set: &u8| {
            let (input, output) = self.with_beside(*set);
            total == sum(input, output)
        };
        let others = (0..=ALL).filter(|set| set & exceeding == exceeding);
        std::iter::once(documented).chain(others).find(explains).unwrap_or(documented)
    }

    /// Returns the input and the output with these parts added.
    fn with_beside(&self, set: u8) -> (Option<u64>, Option<u64>) {
        let part = |bit: u8, part: Option<u64>| if set & bit == 0 { 0 } else { part.unwrap_or(0) };
        let add = |count: Option<u64>, parts: &[u64]| {
            count.map(|count| parts.iter().copied().fold(count, u64::saturating_add))
        };
        let input = [
            part(CACHE_READ, self.cache_read),
            part(CACHE_WRITE, self.cache_write),
            part(INPUT_AUDIO, self.input_by_modality.audio),
            part(TOOL_INPUT, self.tool_input),
        ];
        let output =
            [part(REASONING, self.reasoning), part(OUTPUT_AUDIO, self.output_by_modality.audio)];
        (add(self.input, &input), add(self.output, &output))
    }
}

fn sum(input: Option<u64>, output: Option<u64>) -> u64 {
    input.unwrap_or(0).saturating_add(output.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of input, output, total, cache reads, cache writes and reasoning. Zero is unreported.
    fn tokens(counts: [u64; 6]) -> TokenCounts {
        let [input, output, total, cache_read, cache_write, reasoning] =
            counts.map(|count| Some(count).filter(|count| *count > 0));
        TokenCounts {
            input,
            output,
            total,
            cache_read,
            cache_write,
            reasoning,
            ..TokenCounts::default()
        }
    }

    #[test]
    fn the_total_decides_whether_a_part_is_inside_or_beside() {
        for (counts, input, output) in [
            // Inside.
            ([20, 7, 27, 0, 0, 3], 20, 7),
            ([2168, 100, 2268, 2161, 2161, 0], 2168, 100),
            // Beside.
            ([20, 7, 30, 0, 0, 3], 20, 10),
            ([10, 5, 23, 6, 2, 0], 18, 5),
            ([10, 5, 21, 6, 2, 0], 16, 5),
            ([10, 5, 17, 6, 2, 0], 12, 5),
            ([10, 5, 26, 6, 2, 3], 18, 8),
            // Larger than its count: never inside, whatever the total contains.
            ([33, 40, 73, 0, 0, 900], 33, 940),
            ([9, 7, 16, 100, 10, 0], 119, 7),
            // Without a total, parts that fit are inside.
            ([2168, 100, 0, 2161, 2161, 50], 2168, 100),
            ([50, 7, 0, 2000, 30, 0], 2080, 7),
            // A total that is too small is ignored.
            ([20, 7, 3, 5, 0, 3], 20, 7),
            // Only the total contains the reasoning.
            ([35, 12, 109, 0, 0, 0], 35, 74),
            ([35, 0, 109, 0, 0, 0], 35, 74),
            ([0, 12, 109, 0, 0, 0], 97, 12),
        ] {
            let usage = tokens(counts).usage();
            let counted = (usage.input_tokens, usage.output_tokens);
            assert_eq!(counted, (Some(input), Some(output)), "{counts:?}");
        }
    }

    #[test]
    fn the_documentation_decides_without_a_total() {
        let beside = TokenCounts { is_cache_beside: true, ..tokens([10, 5, 0, 6, 2, 0]) };
        assert_eq!(beside.usage().input_tokens, Some(18));
        let inside = TokenCounts { is_cache_beside: true, ..tokens([10, 5, 15, 6, 2, 0]) };
        assert_eq!(inside.usage().input_tokens, Some(10));
    }

    #[test]
    fn audio_beside_its_count_is_added() {
        let mut heard = tokens([10, 5, 22, 0, 0, 0]);
        heard.input_by_modality.audio = Some(7);
        assert_eq!(heard.usage().input_tokens, Some(17));
        heard.total = Some(15);
        assert_eq!(heard.usage().input_tokens, Some(10));
    }

    #[test]
    fn a_later_zero_or_missing_count_replaces_nothing() {
        let mut merged = tokens([9, 0, 0, 0, 0, 0]);
        merged.merge(TokenCounts { output: Some(1), ..tokens([9, 0, 0, 0, 0, 0]) });
        merged.merge(TokenCounts { output: Some(7), ..tokens([9, 0, 0, 0, 0, 0]) });
        merged.merge(TokenCounts { input: Some(0), output: Some(0), ..TokenCounts::default() });
        merged.merge(TokenCounts::default());
        let usage = merged.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(9), Some(7)));
    }

    #[test]
    fn counts_that_are_too_large_do_not_overflow() {
        let usage = tokens([u64::MAX; 6]).usage();
        assert_eq!(usage.input_tokens, Some(u64::MAX));
    }
}
