"""Makes the built-in model, Postcards, and measures it and the methods. Neither engine nor ui imports it."""
