tools![get_weather, maps::find_route]
