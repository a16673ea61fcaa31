use chatlas_macros::tool;

/// Sort.
#[tool]
fn sort(numbers: &mut [u8]) -> usize {
    numbers.sort_unstable();
    numbers.len()
}

fn main() {}
