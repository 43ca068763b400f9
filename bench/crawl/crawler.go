// SPDX-License-Identifier: MIT
// Crawl and crunch with goroutines: URL CONNECTIONS.  See crawl.py for the rules.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var tag = regexp.MustCompile(`<[^>]*>`)
var href = regexp.MustCompile(`href="([^"#?]+)`)

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// strip removes <...> by hand: Go's regexp is several times slower.
func strip(b []byte) []byte {
	o := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] == '<' {
			j := i
			for j < len(b) && b[j] != '>' {
				j++
			}
			if j < len(b) {
				i = j + 1
				continue
			}
		}
		o = append(o, b[i])
		i++
	}
	return o
}

func crunch(b []byte) (links []string, words, distinct int) {
	for _, m := range href.FindAllSubmatch(b, -1) {
		links = append(links, string(m[1]))
	}
	sha256.Sum256(b)
	t := strip(b)
	freq := map[string]int{}
	for i := 0; i < len(t); {
		for i < len(t) && !word(t[i]) {
			i++
		}
		j := i
		for j < len(t) && word(t[j]) {
			if t[j] >= 'A' && t[j] <= 'Z' {
				t[j] += 32
			}
			j++
		}
		if j > i {
			freq[string(t[i:j])]++
			words++
		}
		i = j
	}
	return links, words, len(freq)
}

func main() {
	start, _ := url.Parse(os.Args[1])
	n, _ := strconv.Atoi(os.Args[2])
	tr := &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n, DisableCompression: true}
	cl := &http.Client{Transport: tr}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]bool{start.String(): true}
	pages, words, distinct, bytes := 0, 0, 0, 0
	slots := make(chan struct{}, n)
	var visit func(u *url.URL)
	visit = func(u *url.URL) {
		defer wg.Done()
		slots <- struct{}{}
		r, err := cl.Get(u.String())
		var b []byte
		if err == nil {
			b, err = io.ReadAll(r.Body)
			r.Body.Close()
		}
		<-slots
		if err != nil || r.StatusCode != 200 {
			return
		}
		links, w, d := crunch(b)
		mu.Lock()
		pages++
		words += w
		distinct += d
		bytes += len(b)
		mu.Unlock()
		for _, l := range links {
			v, err := u.Parse(l)
			if err != nil || v.Host != start.Host || v.Scheme != "http" ||
				!(strings.HasSuffix(v.Path, ".html") || strings.HasSuffix(v.Path, "/")) {
				continue
			}
			s := v.String()
			mu.Lock()
			if !seen[s] {
				seen[s] = true
				wg.Add(1)
				go visit(v)
			}
			mu.Unlock()
		}
	}
	wg.Add(1)
	go visit(start)
	wg.Wait()
	fmt.Println("pages", pages, "pages")
	fmt.Println("words", words, "words")
	fmt.Println("distinct", distinct, "words")
	fmt.Println("bytes", bytes, "bytes")
}
