module sweetspot/tools/mutants

go 1.26.8
