// SPDX-License-Identifier: MIT
// Two goroutines on one P: runtime.Gosched, then an unbuffered channel.
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
	var wg sync.WaitGroup
	t := time.Now()
	for k := 0; k < 2; k++ {
		wg.Add(1)
		go func() {
			for i := 0; i < n/2; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	fmt.Printf("yield %.6g ns\n", float64(time.Since(t).Nanoseconds())/float64(n))
	a, b := make(chan int), make(chan int)
	go func() {
		for x := range a {
			b <- x
		}
	}()
	t = time.Now()
	for i := 0; i < n/4; i++ {
		a <- i
		<-b
	}
	fmt.Printf("chan %.6g ns\n", float64(time.Since(t).Nanoseconds())/float64(n/2))
}
