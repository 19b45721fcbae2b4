"""The page. It knows neither torch nor diffusers; everything about pictures is the engine's."""
