"""Text that is drawn on pictures."""

from engine.export import lettering


def test_characters_missing_from_pillows_font_are_spelled_out_or_omitted():
    font = lettering.ImageFont.load_default(20)
    assert lettering.drawable_text("256 → 512 · α 3 · σ 0.8", font) == "256 › 512 · alpha 3 · sigma 0.8"
    assert lettering.drawable_text("café 红房子 🏠 on\n snow", font) == "cafe … on snow"
    assert lettering.drawable_text("红房子", font) == ""
