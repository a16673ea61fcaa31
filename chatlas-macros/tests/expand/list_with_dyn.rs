tools![get_weather, dyn loaded, ..notes]
