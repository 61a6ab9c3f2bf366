package audit_test

import (
	"testing"
	"time"
)

func cpuTime(*testing.B) time.Duration { return 0 }
