package stat

import "math"

// binomialCDF returns the probability of at most k successes in n trials of probability p.
func binomialCDF(k, n int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	}
	return betaCDF(1-p, float64(n-k), float64(k)+1)
}

// betaCDF is the regularized incomplete beta function I_x(a, b) for b > 0 and a >= 0, where
// a = 0 is the limit 1. Binomial tails are special cases. It also accepts counts that are not
// integers, as an effective sample size is.
func betaCDF(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1 || a <= 0:
		return 1
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	if x < (a+1)/(a+b+2) { // here the fraction converges fast
		return front * betaFraction(x, a, b) / a
	}
	return 1 - front*betaFraction(1-x, b, a)/b
}

// betaFraction is the continued fraction of the incomplete beta function,
// evaluated forwards with Lentz's method: c and d are the ratios of consecutive numerators and
// denominators.
func betaFraction(x, a, b float64) float64 {
	const tiny, precision = 1e-300, 1e-14
	nonzero := func(v float64) float64 { // zero would end the recursion
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1))
	f := d
	for m := 1.0; m < 10000; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/nonzero(1+even*d), nonzero(1+even/c)
		f *= c * d
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/nonzero(1+odd*d), nonzero(1+odd/c)
		f *= c * d
		if math.Abs(c*d-1) < precision {
			break
		}
	}
	return f
}
