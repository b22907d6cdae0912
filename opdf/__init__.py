"""Knowledge distillation that over-parameterises the student by tensor networks and ships the dense student."""
