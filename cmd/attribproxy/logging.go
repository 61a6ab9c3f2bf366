package main

import (
	"io"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attribproxy/attribproxy/config"
)

// logging is the operational log, whose level and format a reload can change
// under the loggers that were handed out before.
type logging struct {
	out  zapcore.WriteSyncer
	core atomic.Pointer[zapcore.Core]
}

// newLogging writes to w. Unlike zap's production preset it samples nothing.
func newLogging(w io.Writer, c config.Log) *logging {
	l := &logging{out: zapcore.Lock(zapcore.AddSync(w))}
	l.set(c)
	return l
}

// set puts level and format into force.
func (l *logging) set(c config.Log) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil { // a checked configuration has no other levels
		level = zapcore.InfoLevel
	}
	encoding := zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", NameKey: "logger", MessageKey: "msg",
		EncodeTime: zapcore.RFC3339NanoTimeEncoder, EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	}
	encoder := zapcore.NewJSONEncoder(encoding)
	if c.Format != "json" {
		encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	core := zapcore.NewCore(encoder, l.out, level)
	l.core.Store(&core)
}

func (l *logging) logger() *zap.Logger { return zap.New(&swapCore{from: &l.core}) }

// swapCore writes to whatever core is in force at that moment.
type swapCore struct {
	from   *atomic.Pointer[zapcore.Core]
	fields []zapcore.Field
}

func (c *swapCore) now() zapcore.Core                { return *c.from.Load() }
func (c *swapCore) Enabled(level zapcore.Level) bool { return c.now().Enabled(level) }
func (c *swapCore) Sync() error                      { return c.now().Sync() }

func (c *swapCore) With(fields []zapcore.Field) zapcore.Core {
	all := append(append([]zapcore.Field(nil), c.fields...), fields...)
	return &swapCore{from: c.from, fields: all}
}

func (c *swapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *swapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if len(c.fields) > 0 {
		fields = append(append([]zapcore.Field(nil), c.fields...), fields...)
	}
	return c.now().Write(e, fields)
}
