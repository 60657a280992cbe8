"""Frei, Vardi, Bartlett, Srebro, Hu 2022 and Frei, Chatterji, Bartlett 2022: leaky ReLU classifiers."""
