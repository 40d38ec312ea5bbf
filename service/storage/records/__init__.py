"""The parts that all stores of records share: rows, words, costs, and the choices that follow from counts."""
