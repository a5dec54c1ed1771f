package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
)

func greeting() string {
	if name := os.Getenv("GREETING"); name != "" {
		return name
	}
	return "world"
}

func main() {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"hello": greeting()})
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
