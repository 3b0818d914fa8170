import java.io.FileInputStream;
import java.util.Properties;
import java.util.TreeMap;

/** Prints what java.util.Properties reads from each file: sorted, in UTF-16 units, so that no escape can hide anything. */
public class Load {
    public static void main(String[] files) throws Exception {
        for (String file : files) {
            System.out.println("file");
            Properties p = new Properties();
            try (FileInputStream in = new FileInputStream(file)) {
                p.load(in);
            } catch (IllegalArgumentException e) {
                System.out.println("error");
                continue;
            }
            TreeMap<String, String> lines = new TreeMap<>();
            for (String key : p.stringPropertyNames()) {
                lines.put(units(key), units(p.getProperty(key)));
            }
            lines.forEach((key, value) -> System.out.println(key + "=" + value));
        }
    }

    private static String units(String s) {
        StringBuilder b = new StringBuilder();
        for (char c : s.toCharArray()) {
            b.append(String.format("%04x", (int) c));
        }
        return b.toString();
    }
}
