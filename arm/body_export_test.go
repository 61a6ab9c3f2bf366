package arm

// IsMarkerForTest is isMarker.
func IsMarkerForTest(name string) bool { return isMarker([]byte(name)) }
