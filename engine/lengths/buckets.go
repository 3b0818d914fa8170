package lengths

import (
	"fmt"
	"strconv"
	"strings"
)

// maxBuckets is the largest number of buckets.
const maxBuckets = 256

// ParseBuckets reads lengths to pad to, joined by commas: each a length, or a geometric range
// such as 16-128*2, which is 16,32,64,128. They must ascend.
func ParseBuckets(text string) ([]int64, error) {
	var out []int64
	for part := range strings.SplitSeq(text, ",") {
		more, err := parseBuckets(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) > maxBuckets {
			return nil, fmt.Errorf("%s: more than %d buckets", text, maxBuckets)
		}
	}
	return out, CheckBuckets(out)
}

func parseBuckets(text string) ([]int64, error) {
	bad := fmt.Errorf("bucket %q: want a length, such as 64, or a range with a factor, such as 16-128*2", text)
	ends, factorText, geometric := strings.Cut(text, "*")
	if !geometric {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, bad
		}
		return []int64{n}, nil
	}
	firstText, lastText, ok := strings.Cut(ends, "-")
	first, err := strconv.ParseInt(firstText, 10, 64)
	last, err2 := strconv.ParseInt(lastText, 10, 64)
	factor, err3 := strconv.ParseInt(factorText, 10, 64)
	if !ok || err != nil || err2 != nil || err3 != nil || first < 1 || last < first || last > maxSize || factor < 2 {
		return nil, bad
	}
	var out []int64
	for n := first; n <= last; n *= min(factor, 2*maxSize) {
		out = append(out, n)
	}
	return out, nil
}

// CheckBuckets reports buckets that are not ascending lengths.
func CheckBuckets(buckets []int64) error {
	for i, b := range buckets {
		if b < 1 || b > maxSize || i > 0 && b <= buckets[i-1] {
			return fmt.Errorf("buckets %v: want ascending lengths from 1 to %d, such as 16,32,64", buckets, maxSize)
		}
	}
	return nil
}

// BucketsText is the text that ParseBuckets reads.
func BucketsText(buckets []int64) string {
	parts := make([]string, len(buckets))
	for i, b := range buckets {
		parts[i] = strconv.FormatInt(b, 10)
	}
	return strings.Join(parts, ",")
}
