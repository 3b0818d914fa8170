package main

import "sweetspot/engine/lengths"

// The lengths of real texts: how many of the descriptions of the test set of AG's corpus of
// news articles (the classification set of Zhang, Zhao and LeCun 2015, 7600 texts) have 8, 9,
// ... 128 tokens in the vocabulary of BERT (uncased WordPiece, with [CLS] and [SEP]). The 37
// longer texts are left out. The mean is 42.5 tokens, the median 41.
var newsLengths = [...]int{
	2, 0, 1, 1, 3, 2, 4, 8, 12, 25, 31, 35, 37, 57, 57, 61, 83, 81, 95, 109, 135, 145, 182, 196, 214,
	226, 259, 268, 264, 273, 248, 272, 252, 297, 308, 278, 298, 252, 268, 212, 173, 199, 150, 149, 154,
	122, 132, 95, 92, 65, 62, 56, 50, 36, 40, 30, 25, 18, 17, 12, 19, 11, 12, 16, 13, 12, 12, 12, 9, 6,
	9, 11, 3, 2, 4, 7, 4, 1, 5, 6, 3, 3, 5, 4, 2, 1, 5, 6, 4, 5, 6, 3, 5, 4, 3, 2, 7, 6, 5, 2, 8, 11,
	4, 8, 4, 8, 3, 7, 3, 5, 0, 2, 4, 2, 0, 5, 3, 2, 1, 0, 0,
}

// newsLowest and newsHighest are the first and the last length of newsLengths.
const (
	newsLowest  = 8
	newsHighest = newsLowest + len(newsLengths) - 1
)

// newsMix draws a length with the probability that it has in newsLengths.
func newsMix() (lengths.Mix, error) {
	var all []int64
	for i, n := range newsLengths {
		for range n {
			all = append(all, int64(newsLowest+i))
		}
	}
	return lengths.Of("news", all)
}
