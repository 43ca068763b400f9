// SPDX-License-Identifier: MIT
// N goroutines in time.Sleep for a random 0-1 s.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func usage() (float64, int64) {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6, u.Nvcsw
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(1)
	late := make([]float64, n)
	r := rand.New(rand.NewSource(42))
	var wg sync.WaitGroup
	wg.Add(n)
	cpu, sw := usage()
	base := time.Now()
	for i := 0; i < n; i++ {
		d := time.Duration(r.Intn(1000000)) * time.Microsecond
		go func(i int) {
			time.Sleep(d - time.Since(base))
			late[i] = float64(time.Since(base)-d) / 1e6
			wg.Done()
		}(i)
	}
	wg.Wait()
	cpu2, sw2 := usage()
	sort.Float64s(late)
	fmt.Printf("cpu %.6g ms\nwakeups %d count\nlate-p99 %.6g ms\n", cpu2-cpu, sw2-sw, late[n*99/100])
}
