// SPDX-License-Identifier: MIT
// 100 goroutines at a time, each yielding once, joined by a WaitGroup.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(1)
	done := 0
	t := time.Now()
	for r := 0; r < n/100; r++ {
		var wg sync.WaitGroup
		wg.Add(100)
		for i := 0; i < 100; i++ {
			go func() {
				runtime.Gosched()
				done++
				wg.Done()
			}()
		}
		wg.Wait()
	}
	fmt.Printf("spawn %.6g 1/s\n", float64(done)/time.Since(t).Seconds())
}
