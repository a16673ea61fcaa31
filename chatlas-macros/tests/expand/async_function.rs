/// Get the weather.
#[tool]
pub async fn get_weather(
    /// The city.
    city: String,
    days: Option<u8>,
) -> Result<Forecast, WeatherError> {
    forecast(city, days).await
}
