// SPDX-License-Identifier: MIT
// N goroutines parked on one channel.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func field(name string) float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, name) {
			v, _ := strconv.ParseFloat(strings.Fields(l)[1], 64)
			return v * 1024
		}
	}
	return 0
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	rss, pte := field("VmRSS:"), field("VmPTE:")
	stop, up := make(chan int), make(chan int)
	for i := 0; i < n; i++ {
		go func() { up <- 1; <-stop }()
		<-up
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Printf("reached %d coroutines\n", n)
	fmt.Printf("rss %.6g B\n", (field("VmRSS:")-rss)/float64(n))
	fmt.Printf("pagetables %.6g B\n", (field("VmPTE:")-pte)/float64(n))
}
