"""Du, Zhai, Poczos and Singh 2019: a trained first layer on the unit sphere."""
