package main

import "testing"

func TestGreeting(t *testing.T) {
	if got := greeting(); got != "world" {
		t.Fatalf("got %q", got)
	}
}
