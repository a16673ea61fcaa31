#[workflow(name = "book trip")]
fn book(#[input] trip: &Trip) -> usize {
    trip.legs()
}
