"""Inverters made by Voltronic Power: Axpert, MPP Solar, InfiniSolar and their many other names."""
