"""The five stages of the walk, one module each: versions, runtime, cells, matrix, publication."""
